"""Prices below cost: what an image is sold for at least, beside what it costs.

Invariant: the lowest value of a price is that in the pack or plan with the cheapest credit; free credits are a gift and
no price. Nothing is refused for it: selling below cost may be wanted, but never unknown.
"""

import dataclasses
import fractions
from collections.abc import Iterable, Mapping

from django.db import connection

from gesso.core import catalog, costs, currencies

Key = tuple[str, str]  # a model's id and a quality
NO_RATE = (
    "Costs are in dollars and prices in {currency}: until billing.usd_rate is set in the catalogue, nobody can tell"
    " whether a price bears its cost."
)

_AVERAGES = """
SELECT generation.model, generation.quality, sum(attempt.cost), count(*)
FROM generations_generation AS generation
JOIN generations_output AS output ON output.generation_id = generation.id AND output.state = 'delivered'
JOIN generations_attempt AS attempt ON attempt.output_id = output.id AND attempt.state = 'finished'
WHERE generation.ended_at >= now() - interval '30 days' AND attempt.cost IS NOT NULL
GROUP BY generation.model, generation.quality
"""


@dataclasses.dataclass(frozen=True)
class Below:
    """A price that does not bear its cost; `value` and `cost` in millionths of the catalogue's currency."""

    model: catalog.Model
    quality: str
    credits: int
    value: int
    cost: int
    measured: bool

    def sentence(self, currency: str) -> str:
        """Return what is wrong in one sentence."""
        whence = "cost on average in the last 30 days" if self.measured else "may cost by the table of the catalogue"
        return (
            f"{self.model.name}, {self.quality}: an image is sold for {_credits(self.credits)}, at least"
            f" {currencies.words(self.value, currency, fine=True)}, and {whence}"
            f" {currencies.words(self.cost, currency, fine=True)}."
        )


def averages() -> dict[Key, int]:
    """Return what a delivered image cost on average in the last 30 days, in millionths of a dollar."""
    with connection.cursor() as cursor:
        cursor.execute(_AVERAGES)
        return {(model, quality): costs.rounded(int(total), count) for model, quality, total, count in cursor}


def credit(rules: catalog.Catalog) -> fractions.Fraction | None:
    """Return the lowest value of a paid credit, in millionths of the currency; None when none is sold."""
    unit = currencies.unit(rules.currency)
    return min((fractions.Fraction(offer.price * unit, offer.credits) for offer in rules.offers), default=None)


def dearest(rules: catalog.Catalog, model: catalog.Model, quality: catalog.Quality) -> int | None:
    """Return what an image of the model's dearest size costs by the table, in millionths of a dollar; None: unknown."""
    rows = rules.costs.get(model.id)
    if rows is None:
        return None
    known = (rows.of_image(quality, width, height) for width, height in model.sizes.values())
    return max((cost for cost in known if cost is not None), default=None)


def find(
    rules: catalog.Catalog, models: Iterable[catalog.Model], measured: Mapping[Key, int] | None = None
) -> list[Below]:
    """Return every price of `models` that is below cost: as `measured` (see `averages`), else by the table."""
    lowest, rate = credit(rules), rules.usd_rate
    if lowest is None or rate is None:
        return []
    found = []
    for model in models:
        for quality in model.qualities:
            average = (measured or {}).get((model.id, quality))
            dollars = dearest(rules, model, quality) if average is None else average
            if dollars is None:
                continue
            credits_each = model.price(quality, rules.prices)
            value, cost = int(lowest * credits_each), costs.rounded(dollars * rate, costs.MILLION)
            if value < cost:
                found.append(Below(model, quality, credits_each, value, cost, average is not None))
    return found


def warnings(rules: catalog.Catalog, models: Iterable[catalog.Model]) -> list[str]:
    """Return a sentence for each price that is below cost by the catalogue alone, and one when nobody can tell."""
    if rules.usd_rate is None:
        return [NO_RATE.format(currency=rules.currency.upper())]
    return [below.sentence(rules.currency) for below in find(rules, models)]


def _credits(count: int) -> str:
    return f"{count:,} credit" if count == 1 else f"{count:,} credits"
