"""The figures of the margin page in words: cells of its tables and files, and what one must know to read them."""

import dataclasses
import decimal

from gesso.core import catalog, costs, csv_files, currencies
from gesso.staff import margin_chart, margin_simulator
from gesso.staff.margin_figures import Figures, Of

BY = {
    "model": "Model", "quality": "Quality", "price": "Model and quality", "member": "Workspace and member",
    "time": "Time",
}  # fmt: skip
HEADS = {
    "model": ("Model",), "quality": ("Quality",), "price": ("Model", "Quality"), "member": ("Workspace", "Member"),
    "time": ("When",),
}  # fmt: skip
NOTHING = "–"  # noqa: RUF001 (a dash, as the rest of the console shows it)


@dataclasses.dataclass(frozen=True)
class Line:
    """One row in words. `unknown` counts attempts whose cost nobody knows; `loss`: the margin is below 0."""

    names: tuple[str, ...]
    images: str
    charged: str
    earned: str
    refunds: str
    cost: str
    borne: str
    maybe: str
    margin: str
    share: str
    unknown: str
    loss: bool


@dataclasses.dataclass(frozen=True)
class Priced:
    """One image at its price: its cells, and whether it costs more than it brings."""

    cells: tuple[str, ...]
    loss: bool


def names(of: Of, by: str, step: str) -> tuple[str, ...]:
    """Return the cells that say what a row is about."""
    return {
        "model": (of.model,),
        "quality": (of.quality,),
        "price": (of.model, of.quality),
        "member": (of.name or str(of.workspace), of.member or "nobody any more"),
        "time": (margin_chart.said(of.step, step) if of.step else "",),
    }[by]


def line(names: tuple[str, ...], row: Figures, rules: catalog.Catalog) -> Line:
    """Return a row in words; without a rate between currencies nothing is said of cost and margin."""
    currency, known = rules.currency, rules.usd_rate is not None

    def spent(value: int) -> str:
        return currencies.words(value, currency, fine=0 < value < costs.MILLION) if known else NOTHING

    return Line(
        names=names, images=f"{row.images:,}", charged=f"{row.charged:,}",
        earned=currencies.words(row.earned, currency), refunds=currencies.words(row.refunds, currency),
        cost=spent(row.cost), borne=spent(row.borne), maybe=spent(row.maybe),
        margin=currencies.words(row.margin, currency) if known else NOTHING,
        share=share(row.permille) if known else NOTHING, unknown=f"{row.unknown:,}" if row.unknown else "",
        loss=known and row.margin < 0,
    )  # fmt: skip


def share(permille: int | None) -> str:
    """Return `80.9%`; a dash for nothing."""
    if permille is None:
        return NOTHING
    whole, rest = divmod(abs(permille), 10)
    return f"{currencies.MINUS if permille < 0 else ''}{whole:,}.{rest}%"


def notes(total: Figures, rules: catalog.Catalog, *, pretended: bool) -> list[str]:
    """Return what one must know to read the sums, in sentences."""
    said = []
    attempts = "1 attempt" if total.unknown == 1 else f"{total.unknown:,} attempts"
    if total.unknown and rules.usd_rate is not None:
        said.append(
            f"What {attempts} cost is not known: their model is not among the costs of the catalogue,"
            " or they are older than this page. The margin is that much too high."
        )
    if total.maybe:
        said.append(
            "May have cost: the part of the cost for attempts that brought no answer, by the table of the catalogue."
        )
    if pretended:
        said.append("There is no real payment yet: payments in test mode count here until the first one.")
    if total.elsewhere:
        said.append(f"{total.elsewhere:,} credits were paid in another currency; what they earned is not in it.")
    return said


def one(image: margin_simulator.OneImage, currency: str) -> Priced:
    """Return one image at its price as cells."""
    value = currencies.words(image.value, currency, fine=True)
    cells = (image.model.name, image.quality, f"{image.credits:,}", value)
    if image.cost is None:
        return Priced((*cells, NOTHING, NOTHING, NOTHING), loss=False)
    margin = image.value - image.cost
    permille = costs.rounded(margin * 1000, image.value) if image.value else None
    spent, left = (currencies.words(amount, currency, fine=True) for amount in (image.cost, margin))
    return Priced((*cells, spent, left, share(permille)), loss=margin < 0)


def file_head(by: str, currency: str) -> list[csv_files.Cell]:
    """Return the first row of a file."""
    money = currency.upper()
    return [
        *HEADS[by], "Images", "Credits charged", "Credits paid for", f"Earned {money}", f"Refunds {money}",
        f"Cost {money}", f"Failures {money}", f"May have cost {money}", "Attempts of unknown cost", f"Margin {money}",
        "Margin %",
    ]  # fmt: skip


def file_row(of: Of, row: Figures, by: str, step: str, *, known: bool) -> list[csv_files.Cell]:
    """Return a row of a file, every figure exact; what is not `known` is empty."""
    spent = [_exact(value) if known else "" for value in (row.cost, row.borne, row.maybe)]
    share_of = decimal.Decimal(row.permille).scaleb(-1) if known and row.permille is not None else ""
    return [
        *names(of, by, step), row.images, row.charged, row.paid, _exact(row.earned), _exact(row.refunds), *spent,
        row.unknown, _exact(row.margin) if known else "", share_of,
    ]  # fmt: skip


def _exact(value: int) -> decimal.Decimal:
    return decimal.Decimal(currencies.exact(value))
