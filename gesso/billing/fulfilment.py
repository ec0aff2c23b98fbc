"""From what a gateway reports to credits: each state is compared with our own rows, and only what they bear out counts.

Invariants: nothing here asks the network. A state that is known changes nothing, so webhooks may come twice, late and
in any order. Credits move by the amount that the gateway's API reports for an order of ours, of the same gateway, mode,
currency, item and price; anything else is a `Mismatch` and moves nothing. What somebody looked at before our row was
changed last does not change it back.
"""

import datetime
from collections.abc import Sequence

import structlog
from django.db import transaction
from django.db.models.functions import Now

from gesso.billing import borne_out, plans, taking_back
from gesso.billing.borne_out import NotOurs
from gesso.billing.gateways import protocol
from gesso.billing.models import Mismatch, Order, Payment, Subscription
from gesso.core import clock, currencies, ids
from gesso.credits import ledger

log = structlog.get_logger()


class Stale(Exception):
    """Somebody who looked later was faster: look again. `changes` are the sentences of what was not stale."""

    def __init__(self, changes: list[str]) -> None:
        super().__init__("Our rows were changed after this was looked at.")
        self.changes = changes


def apply(gateway: str, states: Sequence[protocol.State], *, asked_at: datetime.datetime | None = None) -> list[str]:
    """Bring our rows in line with what `gateway` reports. Returns a sentence for each change; none: all was known.

    `asked_at` is the database's time before the gateway was asked. Raises Stale when a row was changed since then.
    """
    changes: list[str] = []
    stale = False
    for state in sorted(states, key=_turn):
        if isinstance(state, protocol.PaymentState) and _is_known(gateway, state):
            continue
        try:
            with transaction.atomic():
                found = _apply(gateway, state, asked_at)
                if found:
                    _resolve(gateway, state)
                changes += found
        except Stale:
            stale = True
        except NotOurs as problem:
            _note(gateway, state, problem)
    if stale:
        raise Stale(changes)
    return changes


def _is_known(gateway: str, state: protocol.PaymentState) -> bool:
    """Return whether this is what we have written down: most of what reconciliation looks at."""
    known = Payment.objects.filter(gateway=gateway, external_id=state.id).first()
    if known is None or state.order not in {"", str(known.order_id)}:
        return False
    return not taking_back.differs(known, state)


def _turn(state: protocol.State) -> int:
    """Money first: it says most about an order."""
    return (protocol.PaymentState, protocol.SubscriptionState, protocol.CheckoutState).index(type(state))


def _note(gateway: str, state: protocol.State, problem: NotOurs) -> None:
    log.warning("a gateway's report was not borne out", gateway=gateway, subject=state.id, code=problem.code)
    Mismatch.objects.get_or_create(
        gateway=gateway, subject=state.id[:255], code=problem.code, defaults={"sentence": str(problem)}
    )


def _resolve(gateway: str, state: protocol.State) -> None:
    """What is borne out after all (its order was heard of later) need not be seen by anybody."""
    Mismatch.objects.filter(gateway=gateway, subject=state.id[:255], seen_at__isnull=True).update(seen_at=Now())


def _apply(gateway: str, state: protocol.State, asked_at: datetime.datetime | None) -> list[str]:
    match state:
        case protocol.PaymentState():
            return _payment(gateway, state, asked_at)
        case protocol.SubscriptionState():
            return _subscription(gateway, state, asked_at)
        case protocol.CheckoutState():
            return _checkout(gateway, state)


def _payment(gateway: str, state: protocol.PaymentState, asked_at: datetime.datetime | None) -> list[str]:
    order = borne_out.order(gateway, state.order, state.subscription)
    if order is None:
        paid = currencies.paid(state.amount, state.currency)
        raise NotOurs("no_order", f"A payment of {paid} belongs to no order of ours.")
    known = Payment.objects.filter(gateway=gateway, external_id=state.id).first()
    changes: list[str] = []
    if known is None:
        if state.paid_at is None:
            return []
        borne_out.payment(gateway, order, state)
        known = _receive(gateway, order, state, state.paid_at)
        changes.append(f"{known.name}: {known.credits:,} credits added for a payment.")
    elif known.order_id != order.id:
        raise NotOurs("other_order", f"The payment belongs to order {known.order_id}, not to {order.id}.")
    elif asked_at and known.changed_at > asked_at and taking_back.differs(known, state):
        raise Stale([])
    if taking_back.differs(known, state):
        changes.append(taking_back.follow(known, state))
    return changes


def _receive(gateway: str, order: Order, state: protocol.PaymentState, paid_at: datetime.datetime) -> Payment:
    """Write the receipt and grant what was paid for."""
    subscription, bought = None, plans.Bought(order.name, order.credits)
    if order.kind == Order.Kind.PLAN:
        subscription = plans.begin(gateway, order, state)
        bought = plans.bought(order, subscription, state)
    made = Payment(
        workspace_id=order.workspace_id, order=order, subscription=subscription, gateway=gateway, live=state.live,
        external_id=state.id, reason=state.reason, name=bought.name[:60], credits=bought.credits, amount=state.amount,
        currency=state.currency, method=state.method[:60], paid_at=paid_at, period_end=state.period_end,
        change=bought.change, changed_at=clock.now(),
    )  # fmt: skip
    if bought.credits:
        made.grant = ledger.grant(
            order.workspace_id, source=order.kind, amount=bought.credits, reference=f"payment:{gateway}:{state.id}",
            expires_at=plans.end(state.period_end) if subscription else None, actor=gateway, reason=made.name,
        )  # fmt: skip
    made.save()
    Order.objects.filter(id=order.id).exclude(state=Order.State.PAID).update(state=Order.State.PAID, ended_at=Now())
    return made


def _subscription(gateway: str, state: protocol.SubscriptionState, asked_at: datetime.datetime | None) -> list[str]:
    order = borne_out.order(gateway, state.order, state.id)
    if order is None:
        raise NotOurs("no_order", "A subscription belongs to no order of ours.")
    borne_out.same(gateway, order, state)
    if order.kind != Order.Kind.PLAN:
        raise NotOurs("other_item", "A subscription was begun on an order for a pack.")
    if state.state != "active" and not Subscription.objects.filter(order=order).exists():
        return []  # nothing was ever paid for it
    ours = plans.begin(gateway, order, state)
    since = ours.changed_at
    changed = plans.follow(order, ours, state)
    if changed is None:
        return []
    if asked_at and since > asked_at:
        raise Stale([])
    changed.changed_at = clock.now()
    changed.save()
    plans.set_limits(changed.workspace_id)
    return [f"{changed.name}: {plans.standing(changed)}"]


def _checkout(gateway: str, state: protocol.CheckoutState) -> list[str]:
    number = ids.parse(state.order)
    order = Order.objects.select_for_update(no_key=True).filter(id=number, gateway=gateway).first() if number else None
    if order is None:
        raise NotOurs("no_order", "A checkout belongs to no order of ours.")
    if order.checkout_id and order.checkout_id != state.id:
        raise NotOurs("other_checkout", f"The order has the checkout {order.checkout_id}, not {state.id}.")
    if order.state != Order.State.OPEN or state.state not in {"failed", "expired"}:
        return []
    order.state, order.ended_at = Order.State(state.state), clock.now()
    order.save(update_fields=["state", "ended_at"])
    return [f"{order.name}: the checkout {'expired' if state.state == 'expired' else 'failed'}."]
