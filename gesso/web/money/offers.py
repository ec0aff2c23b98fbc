"""What is sold, in words: packs and plans as the public price list, the page to buy on and the plan's page show them.

Invariant: all three read the same rows of the catalogue, and the price in words is made of the amount that is ordered.
"""

import dataclasses
import uuid

from gesso.billing import orders, registry
from gesso.core import catalog, ids
from gesso.web import wording

GATEWAYS = {"stripe": "Stripe", "creem": "Creem", "test": "Test checkout"}
QUALITIES = ("medium", "high")  # what a pack is measured in


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One pack or plan. `amount` is what its form sends back, so that nobody pays another price than was shown.

    `order` is the id that a press of its button orders under; a second press is the same order.
    """

    kind: str
    item: str
    name: str
    price: str
    amount: int
    credits: int
    facts: list[str]
    order: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All that is sold here."""

    packs: list[Offer]
    plans: list[Offer]
    tax_note: str


def gateway_name(gateway: str) -> str:
    """Return what a gateway is called."""
    return GATEWAYS.get(gateway, gateway.capitalize())


def sold_here() -> bool:
    """Return whether this install sells credits: there is a gateway, and something to sell."""
    table = catalog.current()
    return bool(registry.configured() and (table.packs or table.plans))


def shelf(kept: tuple[str, uuid.UUID] | None = None, *, gateway: str = "") -> Shelf:
    """Return what is sold through `gateway`, or through any. `kept`: an item whose order id stays, for another try."""
    table = catalog.current()
    tills = [till for name, till in registry.configured().items() if gateway in {"", name}]

    def sold(row: catalog.Pack | catalog.Plan) -> bool:
        return any(orders.sells(till, row) for till in tills)

    item, order_id = kept or ("", None)

    def order_for(row: str) -> str:
        return str(order_id if row == item else ids.uuid7())

    packs = [
        Offer(
            kind="pack", item=pack.id, name=pack.name, price=wording.money(pack.price, table.currency),
            amount=pack.price, credits=pack.credits, facts=[images(pack.credits, table.prices)],
            order=order_for(pack.id),
        )
        for pack in filter(sold, table.packs)
    ]  # fmt: skip
    plans = [
        Offer(
            kind="plan", item=plan.id, name=plan.name, price=wording.money(plan.price, table.currency),
            amount=plan.price, credits=plan.credits, facts=_limits(plan), order=order_for(plan.id),
        )
        for plan in filter(sold, table.plans)
    ]  # fmt: skip
    return Shelf(packs=packs, plans=plans, tax_note=table.billing.tax_note)


def images(credits_: int, prices: catalog.Prices) -> str:
    """Return `50 Medium or 12 High images`: what so many credits pay for, of one quality or another."""
    counts = [(credits_ // getattr(prices, quality), quality.capitalize()) for quality in QUALITIES]
    some = [(count, name) for count, name in counts if count]
    if not some:
        return wording.plural(credits_ // prices.low, "Low image")
    words = " or ".join(f"{count:,} {name}" for count, name in some)
    return f"{words} image{'' if some[-1][0] == 1 else 's'}"


def _limits(plan: catalog.Plan) -> list[str]:
    """Return what a plan brings, a line for each."""
    members = f"Up to {wording.plural(plan.members, 'member')}" if plan.members else "Any number of members"
    return [
        f"{wording.plural(plan.credits, 'credit')} a month",
        f"{wording.plural(plan.concurrent, 'generation')} at once",
        members,
    ]
