"""A shop for tests: orders made through the test checkout, and states as a gateway would report them."""

import dataclasses
import datetime

from gesso.billing import orders, registry
from gesso.billing.gateways import protocol
from gesso.billing.models import Order
from gesso.core import ids
from tests import world

NOW = datetime.datetime.now(datetime.UTC)
MONTH = datetime.timedelta(days=30)


def order(who: world.Person, kind: str = "pack", item: str = "") -> Order:
    """Return an order that waits to be paid."""
    item = item or ("pack-200" if kind == "pack" else "studio")
    return orders.buy(who.workspace, who.user, kind, item, order_id=ids.uuid7())  # type: ignore[arg-type]


def press(made: Order, button: str = "pay") -> Order:
    """Press a button of the test checkout's page and come back from it."""
    registry.test_gateway().press(str(made.id), button, datetime.datetime.now(datetime.UTC))  # type: ignore[arg-type]
    return orders.look_again(made)


def paid(made: Order, **fields: object) -> protocol.PaymentState:
    """Return the payment of an order as a gateway reports it."""
    plan = made.kind == "plan"
    state = protocol.PaymentState(
        id=f"pay_{made.id}", order=str(made.id), subscription=f"sub_{made.id}" if plan else "", customer="",
        reason="first" if plan else "pack", item=made.item, amount=made.amount, currency=made.currency,
        live=made.live, paid_at=NOW, period_end=NOW + MONTH if plan else None, refunded=0, dispute="", method="",
    )  # fmt: skip
    return dataclasses.replace(state, **fields)  # type: ignore[arg-type]


def renewed(made: Order, month: int, **fields: object) -> protocol.PaymentState:
    """Return the payment of a plan's later month (1: the second)."""
    told = paid(made, id=f"pay_{made.id}_{month}", reason="renewal", period_end=NOW + (month + 1) * MONTH, order="")
    return dataclasses.replace(told, **fields)  # type: ignore[arg-type]


def standing(made: Order, **fields: object) -> protocol.SubscriptionState:
    """Return the subscription of an order as a gateway reports it."""
    state = protocol.SubscriptionState(
        id=f"sub_{made.id}", order=str(made.id), customer="", item=made.item, live=made.live, state="active",
        period_end=NOW + MONTH, cancels_at_period_end=False,
    )  # fmt: skip
    return dataclasses.replace(state, **fields)  # type: ignore[arg-type]
