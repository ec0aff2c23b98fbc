"""Buying: an order with the price that was shown, and the gateway's page for it.

Invariants: the order is a committed row before a gateway hears of it, and carries what the page showed; the same press
twice (the same id) is one order and one checkout. Whoever comes back from the gateway looks there, so that credits
arrive without any webhook.
"""

import uuid
from typing import Literal

from django.conf import settings
from django.db import IntegrityError, transaction

from gesso.accounts.models import User, Workspace
from gesso.billing import looking, registry
from gesso.billing.gateways import protocol
from gesso.billing.models import Customer, Order, Subscription
from gesso.core import catalog


class NotForSale(Exception):
    """There is no such pack or plan here, or nothing is sold on this install."""


class HasPlan(Exception):
    """The workspace has a plan that runs: it is changed, not bought again."""


class OrderTaken(Exception):
    """The id belongs to an order of somebody else, or of something else."""


def buy(
    workspace: Workspace,
    member: User,
    kind: Literal["pack", "plan"],
    item: str,
    *,
    order_id: uuid.UUID,
    gateway: str = "",
) -> Order:
    """Return the order with the address of its checkout; `gateway` empty is the default one.

    Raises NotForSale, HasPlan, OrderTaken, and protocol.Unavailable or Refused from the gateway: then the order stays
    without a checkout, and the same id may be tried again.
    """
    till = _till(gateway)
    order = _note(workspace, member, kind, item, order_id, till)
    if order.checkout_url or order.state != Order.State.OPEN:
        return order
    opened = till.open_checkout(_sale(order, member.email))
    Order.objects.filter(id=order.id).update(checkout_id=opened.id, checkout_url=opened.url)
    order.checkout_id, order.checkout_url = opened.id, opened.url
    return order


def sells(till: protocol.Gateway, row: catalog.Pack | catalog.Plan) -> bool:
    """Return whether this gateway can sell a row of the catalogue: one with a list of its own must have it there."""
    return bool(row.creem_product) or not till.lists_products


def _till(gateway: str) -> protocol.Gateway:
    tills = registry.configured()
    if not tills or (gateway and gateway not in tills):
        raise NotForSale("Nothing is sold here through that gateway.")
    return tills[gateway] if gateway else next(iter(tills.values()))


@transaction.atomic
def _note(
    workspace: Workspace, member: User, kind: Literal["pack", "plan"], item: str, order_id: uuid.UUID,
    till: protocol.Gateway,
) -> Order:  # fmt: skip
    known = Order.objects.filter(id=order_id).first()
    if known and (known.workspace_id, known.kind, known.item, known.gateway) != (workspace.id, kind, item, till.name):
        raise OrderTaken("This was already sent for something else.")
    waits = known is None or known.state == Order.State.OPEN
    if waits and kind == "plan" and Subscription.objects.filter(workspace=workspace).exclude(state="ended").exists():
        raise HasPlan("This workspace has a plan already.")
    if known:
        return known
    table = catalog.current()
    row = table.pack(item) if kind == "pack" else table.plan(item)
    if row is None or not sells(till, row):
        raise NotForSale("This is not sold here any more.")
    try:
        with transaction.atomic():
            return Order.objects.create(
                id=order_id, workspace=workspace, member=member, gateway=till.name, live=till.live, kind=kind,
                item=item, name=row.name, credits=row.credits, amount=row.price, currency=table.currency,
            )  # fmt: skip
    except IntegrityError:  # the same press at the same moment
        return Order.objects.get(id=order_id, workspace=workspace)


def _sale(order: Order, email: str) -> protocol.Sale:
    table = catalog.current()
    row = table.pack(order.item) if order.kind == Order.Kind.PACK else table.plan(order.item)
    page = f"{settings.GESSO.base_url}/credits/orders/{order.id}"
    return protocol.Sale(
        order=str(order.id), kind="pack" if order.kind == Order.Kind.PACK else "plan", item=order.item,
        name=f"{order.name} a month" if order.kind == Order.Kind.PLAN else order.name, amount=order.amount,
        currency=order.currency, email=email, customer=customer(order),
        product=row.creem_product if row else "", success_url=page, cancel_url=f"{page}?canceled=1",
    )  # fmt: skip


def customer(order: Order) -> str:
    """Return the gateway's id of who pays the order, or "" where it has none."""
    known = Customer.objects.filter(workspace_id=order.workspace_id, gateway=order.gateway, live=order.live)
    return known.values_list("external_id", flat=True).first() or ""


def find(workspace_id: uuid.UUID, order_id: uuid.UUID) -> Order | None:
    """Return an order of the workspace, or None."""
    return Order.objects.filter(workspace_id=workspace_id, id=order_id).first()


def look_again(order: Order) -> Order:
    """Ask the gateway how the order's checkout stands and bring our rows in line; returns the order as it is then.

    Raises protocol.Unavailable and Refused.
    """
    if not order.checkout_id:
        return order
    looking.look(registry.find(order.gateway), protocol.Subject("checkout", order.checkout_id))
    order.refresh_from_db()
    return order
