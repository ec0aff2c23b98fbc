"""What other prices would have brought: a form without state, one image at each price, and last month once more.

Invariant: nothing here is kept and no price changes. Last month is told again with the same images, the same share of
paid credits and the same share of refunds; only prices and the worth of a credit are others.
"""

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from django import forms

from gesso.core import catalog, costs, currencies
from gesso.generations import underpriced
from gesso.staff.margin_figures import Figures, Lines

QUALITIES = ("low", "medium", "high")
MOST = 100_000


class _Money(forms.CharField):
    """A decimal such as 0.035, as millionths."""

    def clean(self, value: Any) -> int:
        """Return the value in millionths."""
        text = super().clean(value)
        try:
            return costs.millionths(text)
        except ValueError:
            raise forms.ValidationError(
                "Write an amount such as 0.035, with a point and at most six decimals.", code="amount"
            ) from None


def _whole(label: str, most: int) -> forms.IntegerField:
    sentence = f"Write a whole number from 1 to {most:,}."
    errors = dict.fromkeys(("required", "invalid", "min_value", "max_value"), sentence)
    return forms.IntegerField(label=label, min_value=1, max_value=most, error_messages=errors)


class Form(forms.Form):
    """Credits for each quality, the worth of a credit, and a multiplier for each model."""

    use_required_attribute = False

    def __init__(self, rules: catalog.Catalog, models: tuple[catalog.Model, ...], values: Mapping[str, Any]) -> None:
        self.models = models
        super().__init__(values if any(name in values for name in ("credit", *QUALITIES)) else None)
        for quality in QUALITIES:
            self.fields[quality] = _whole(f"Credits for {quality}", MOST)
            self.fields[quality].initial = getattr(rules.prices, quality)
        worth = underpriced.credit(rules)
        self.fields["credit"] = _Money(
            label=f"Worth of a credit ({rules.currency.upper()})", max_length=13, help_text=_offers(rules),
            error_messages={"required": "Say what a credit is worth."},
        )  # fmt: skip
        self.fields["credit"].initial = currencies.exact(int(worth or 0))
        for model in models:
            self.fields[f"times.{model.id}"] = _whole(f"{model.name}: times", 100)
            self.fields[f"times.{model.id}"].initial = model.price_multiplier

    def chosen(self) -> "Prices | None":
        """Return what is to be looked at: what was sent, or what is so now; None when it was not understood."""
        if self.is_bound and not self.is_valid():
            return None
        values = self.cleaned_data if self.is_bound else {name: field.initial for name, field in self.fields.items()}
        credit = values["credit"] if self.is_bound else costs.millionths(values["credit"])
        return Prices(
            credit=credit,
            credits={
                (model.id, quality): values[quality] * values[f"times.{model.id}"]
                for model in self.models
                for quality in model.qualities
            },
        )


@dataclasses.dataclass(frozen=True)
class Prices:
    """Worth of a credit in millionths, and credits for one image by model and quality."""

    credit: int
    credits: dict[underpriced.Key, int]


@dataclasses.dataclass(frozen=True)
class OneImage:
    """One image at its price: what it brings and what it costs (None: not known), in millionths."""

    model: catalog.Model
    quality: str
    credits: int
    value: int
    cost: int | None


def each(
    rules: catalog.Catalog,
    models: tuple[catalog.Model, ...],
    prices: Prices,
    measured: Mapping[underpriced.Key, int],
) -> list[OneImage]:
    """Return one image of every model and quality at these prices; its cost as `measured`, else by the table."""
    rows = []
    for model in models:
        for quality in model.qualities:
            dollars = measured.get((model.id, quality), underpriced.dearest(rules, model, quality))
            rate = rules.usd_rate
            known = dollars is not None and rate is not None
            cost = costs.rounded(dollars * rate, costs.MILLION) if known else None  # type: ignore[operator] # (known says so)
            credits_each = prices.credits[model.id, quality]
            rows.append(OneImage(model, quality, credits_each, credits_each * prices.credit, cost))
    return rows


def again(lines: Lines, prices: Prices) -> Figures:
    """Return the sums of a period as they would have been at these prices; `lines` are its rows by model and quality.

    What is in the catalogue no more keeps the credits that it brought.
    """
    sums = collections.Counter[str]()
    for of, was in lines:
        price = prices.credits.get((of.model, of.quality))
        charged = was.charged if price is None else was.images * price
        same = {name: getattr(was, name) for name in ("images", "cost", "borne", "maybe", "unknown")}
        sums.update(same, charged=charged)
        if was.charged and was.earned:
            earned = costs.rounded(charged * was.paid * prices.credit, was.charged)
            sums.update(earned=earned, refunds=costs.rounded(earned * was.refunds, was.earned))
    return Figures(**sums)


def _offers(rules: catalog.Catalog) -> str:
    unit = currencies.unit(rules.currency)
    words = [
        f"{currencies.words(costs.rounded(row.price * unit, row.credits), rules.currency, fine=True)} in {row.name}"
        for row in rules.offers
    ]
    return f"Now: {', '.join(words)}." if words else ""
