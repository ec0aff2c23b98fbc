"""The margin page: what images earned, what they cost, what other prices would bring, and prices below cost.

Three statements at most go over all generations: the period, last month for the simulator, and the averages of 30
days. Sums are in `margin_figures`, other prices in `margin_simulator`, what is said of them in `margin_words`.
"""

import dataclasses
from collections.abc import Sequence

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from gesso.billing.models import Payment
from gesso.core import catalog
from gesso.generations import underpriced
from gesso.staff import margin_chart, margin_figures, margin_periods, margin_simulator, margin_words, tables
from gesso.staff.margin_words import Line
from gesso.staff.site import site

MOST_ROWS = 100  # of a table on the page; its file has all


def page(request: HttpRequest) -> HttpResponse:
    """Show the page; `period`, `by` and the simulator's fields come from the address."""
    period, by = _asked(request)
    rules = catalog.current()
    report = margin_figures.report(period)
    measured = underpriced.averages()
    models = _models()
    form = margin_simulator.Form(rules, models, request.GET)
    rows = _rows(report, by)
    context = {
        **site.each_context(request),
        "title": "Margin",
        "period": period,
        "periods": [(name, words, name == period.name) for name, words in margin_periods.NAMES.items()],
        "by": by,
        "when": margin_words.HEADS["time"],
        "what": ("Prices",),
        "caption": f"{period.words} by {margin_words.BY[by].lower()}",
        "bys": [(name, words, name == by) for name, words in margin_words.BY.items()],
        "heads": margin_words.HEADS[by],
        "lines": [
            margin_words.line(margin_words.names(of, by, period.step), row, rules) for of, row in rows[:MOST_ROWS]
        ],
        "more": max(0, len(rows) - MOST_ROWS),
        "total": margin_words.line(("Total",), report.total, rules),
        "notes": margin_words.notes(report.total, rules, pretended=_pretended(report.total)),
        "alerts": alerts(rules, measured),
        "chart": _chart(report, period, rules.currency),
        "steps": [
            margin_words.line((margin_chart.said(of.step, period.step),), row, rules)
            for of, row in report.steps
            if of.step
        ],
        "form": form,
        "simulated": _simulated(form, rules, report if period.name == "last" else None, measured),
    }
    return TemplateResponse(request, "staff/margin.html", context, status=400 if form.errors else 200)


def file(request: HttpRequest, by: str) -> HttpResponse:
    """Answer with a table as a file, every figure exact."""
    if by not in margin_words.BY:
        raise Http404
    period, _ = _asked(request)
    report = margin_figures.report(period)
    known = catalog.current().usd_rate is not None
    rows = [margin_words.file_head(by, catalog.current().currency)]
    rows += [margin_words.file_row(of, row, by, period.step, known=known) for of, row in _rows(report, by)]
    return tables.response(f"margin-{by}-{period.since:%Y-%m}-{period.name}.csv", rows)


def alerts(rules: catalog.Catalog, measured: dict[underpriced.Key, int] | None = None) -> list[str]:
    """Return a sentence for each price below cost, of what can be asked now; and one when nobody can tell."""
    models = catalog.usable_models()
    if rules.usd_rate is None:
        return underpriced.warnings(rules, models) if _models() else []
    known = underpriced.averages() if measured is None else measured
    return [below.sentence(rules.currency) for below in underpriced.find(rules, models, known)]


def _pretended(total: margin_figures.Figures) -> bool:
    """Return whether what was earned is money of a test mode: it counts until there is a payment that is real."""
    return bool(total.paid) and not Payment.objects.filter(live=True).exists()


def _asked(request: HttpRequest) -> tuple[margin_periods.Period, str]:
    by = request.GET.get("by", "")
    return margin_periods.chosen(request.GET.get("period", "")), by if by in margin_words.BY else "model"


def _models() -> tuple[catalog.Model, ...]:
    """Return the models that somebody charges us for."""
    return tuple(model for model in catalog.current().models if model.provider != "sandbox")


def _rows(report: margin_figures.Report, by: str) -> margin_figures.Lines:
    return {
        "model": report.models, "quality": report.qualities, "price": report.prices, "member": report.members,
        "time": report.steps,
    }[by]  # fmt: skip


def _chart(report: margin_figures.Report, period: margin_periods.Period, currency: str) -> margin_chart.Chart:
    found = {of.step: row for of, row in report.steps if of.step}
    return margin_chart.draw(margin_periods.steps(period), found, period.step, currency)


@dataclasses.dataclass(frozen=True)
class Simulated:
    """The simulator's answer in words: one image at each price, and last month as it was and would have been."""

    each: Sequence[margin_words.Priced]
    months: tuple[Line, Line]


def _simulated(
    form: margin_simulator.Form,
    rules: catalog.Catalog,
    last: margin_figures.Report | None,
    measured: dict[underpriced.Key, int],
) -> Simulated | None:
    prices = form.chosen()
    if prices is None:
        return None
    last = last or margin_figures.report(margin_periods.chosen("last"))
    return Simulated(
        each=[
            margin_words.one(image, rules.currency)
            for image in margin_simulator.each(rules, form.models, prices, measured)
        ],
        months=(
            margin_words.line(("As it was",), last.total, rules),
            margin_words.line(("At these prices",), margin_simulator.again(last.prices, prices), rules),
        ),
    )
