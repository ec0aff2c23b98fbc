"""From what a gateway reports to credits: each state is compared with our own rows, and only what they bear out counts.

Invariants: nothing here asks the network. A state that is known changes nothing, so webhooks may come twice, late and
in any order. Credits move by the amount that the gateway's API reports for an order of ours, of the same gateway, mode,
currency, item and price; anything else is a `Mismatch` and moves nothing.
"""

import datetime
import uuid
from collections.abc import Sequence

import structlog
from django.db import transaction

from gesso.accounts.models import Workspace
from gesso.billing.gateways import protocol
from gesso.billing.models import Customer, Mismatch, Order, Payment, Subscription
from gesso.core import catalog, clock, ids, notices
from gesso.credits import ledger
from gesso.credits.models import CreditGrant

LONGEST_ID = 100  # of a gateway's ids: they are part of a grant's reference

log = structlog.get_logger()


class NotOurs(Exception):
    """A state that our rows don't bear out: `code` and a sentence for staff."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def apply(gateway: str, states: Sequence[protocol.State]) -> list[str]:
    """Bring our rows in line with what `gateway` reports. Returns a sentence for each change; none: all was known."""
    changes: list[str] = []
    for state in sorted(states, key=_turn):
        try:
            with transaction.atomic():
                changes += _apply(gateway, state)
        except NotOurs as problem:
            log.warning("a gateway's report was not borne out", gateway=gateway, subject=state.id, code=problem.code)
            Mismatch.objects.get_or_create(
                gateway=gateway, subject=state.id[:255], code=problem.code, defaults={"sentence": str(problem)}
            )
    return changes


def _turn(state: protocol.State) -> int:
    """Money first: it says most about an order."""
    return (protocol.PaymentState, protocol.SubscriptionState, protocol.CheckoutState).index(type(state))


def _apply(gateway: str, state: protocol.State) -> list[str]:
    match state:
        case protocol.PaymentState():
            return _payment(gateway, state)
        case protocol.SubscriptionState():
            return _subscription(gateway, state)
        case protocol.CheckoutState():
            return _checkout(gateway, state)


def _payment(gateway: str, state: protocol.PaymentState) -> list[str]:
    order = _order(gateway, state.order, state.subscription)
    if order is None:
        raise NotOurs("no_order", f"A payment of {state.amount} {state.currency} belongs to no order of ours.")
    known = Payment.objects.filter(gateway=gateway, external_id=state.id).first()
    changes: list[str] = []
    if known is None:
        if state.paid_at is None:
            return []
        _check(gateway, order, state)
        known = _receive(gateway, order, state, state.paid_at)
        changes.append(f"{known.name}: {known.credits:,} credits added for a payment.")
    elif known.order_id != order.id:
        raise NotOurs("other_order", f"The payment belongs to order {known.order_id}, not to {order.id}.")
    return changes + _take_back(known, state)


def _order(gateway: str, number: str, subscription: str) -> Order | None:
    """Return the order that a state belongs to, locked: everything about one order happens one after the other."""
    rows = Order.objects.select_for_update(no_key=True, of=("self",))
    if order_id := ids.parse(number):
        return rows.filter(id=order_id).first()
    return (
        rows.filter(subscription__gateway=gateway, subscription__external_id=subscription).first()
        if subscription
        else None
    )


def _check(gateway: str, order: Order, state: protocol.PaymentState) -> None:
    """Compare what was paid with what was asked. Raises NotOurs."""
    _same(gateway, order, state)
    if len(state.id) > LONGEST_ID or len(state.subscription) > LONGEST_ID:
        raise NotOurs("strange_id", "The gateway's id is too long to be one.")
    if state.currency != order.currency:
        raise NotOurs("other_currency", f"Paid in {state.currency}, asked in {order.currency}.")
    if state.reason in {"pack", "first"}:
        kind = Order.Kind.PACK if state.reason == "pack" else Order.Kind.PLAN
        if (kind, state.item) != (order.kind, order.item):
            raise NotOurs("other_item", f"Paid for {state.item or 'nothing known'}, asked for {order.item}.")
        if state.amount != order.amount:
            raise NotOurs("other_amount", f"Paid {state.amount}, asked {order.amount} {order.currency}.")
        if Payment.objects.filter(order=order, reason__in=["pack", "first"]).exists():
            raise NotOurs("paid_twice", "The order has been paid before; this payment should go back.")
    elif order.kind != Order.Kind.PLAN:
        raise NotOurs("other_item", "A month of a plan was paid on an order for a pack.")


def _same(gateway: str, order: Order, state: protocol.PaymentState | protocol.SubscriptionState) -> None:
    """The gateway, the mode and the customer must be those of the order. Raises NotOurs."""
    if gateway != order.gateway:
        raise NotOurs("other_gateway", f"The order was made for {order.gateway}, and {gateway} reports about it.")
    if state.live != order.live:
        raise NotOurs("other_mode", f"The order is {'live' if order.live else 'a test'}, the report is not.")
    if not state.customer:
        return
    customer = Customer.objects.filter(gateway=gateway, external_id=state.customer).first()
    if customer and customer.workspace_id != order.workspace_id:
        raise NotOurs("other_workspace", "The customer who paid belongs to another workspace than the order.")
    if customer is None:
        Customer.objects.get_or_create(
            workspace_id=order.workspace_id, gateway=gateway, defaults={"external_id": state.customer}
        )


def _receive(gateway: str, order: Order, state: protocol.PaymentState, paid_at: datetime.datetime) -> Payment:
    """Write the receipt and grant what was paid for."""
    subscription = _subscribed(gateway, order, state) if order.kind == Order.Kind.PLAN else None
    name, credits_ = _bought(order, subscription, state)
    made = Payment(
        workspace_id=order.workspace_id, order=order, subscription=subscription, gateway=gateway, live=state.live,
        external_id=state.id, reason=state.reason, name=name, credits=credits_, amount=state.amount,
        currency=state.currency, method=state.method[:60], paid_at=paid_at, period_end=state.period_end,
    )  # fmt: skip
    if credits_:
        made.grant = ledger.grant(
            order.workspace_id, source=order.kind, amount=credits_, reference=f"payment:{gateway}:{state.id}",
            expires_at=_end(state.period_end) if subscription else None, actor=gateway, reason=name,
        )  # fmt: skip
        notices.announce_balance(order.workspace_id)
    made.save()
    Order.objects.filter(id=order.id).exclude(state=Order.State.PAID).update(
        state=Order.State.PAID, ended_at=clock.now()
    )
    return made


def _subscribed(gateway: str, order: Order, state: protocol.PaymentState | protocol.SubscriptionState) -> Subscription:
    """Return the order's subscription, beginning it when this is the first that is heard of it. Raises NotOurs."""
    number = state.subscription if isinstance(state, protocol.PaymentState) else state.id
    known = Subscription.objects.filter(order=order).first()
    if known:
        if known.external_id != number:
            raise NotOurs("other_subscription", f"The order has the subscription {known.external_id}, not {number}.")
        return known
    if Subscription.objects.filter(workspace_id=order.workspace_id).exclude(state="ended").exists():
        raise NotOurs("second_subscription", "The workspace has a plan already; this one should be ended and refunded.")
    made = Subscription.objects.create(
        workspace_id=order.workspace_id, order=order, gateway=gateway, external_id=number, plan=order.item,
        name=order.name, credits=order.credits, amount=order.amount, currency=order.currency,
        period_end=state.period_end,
    )  # fmt: skip
    set_limits(made)
    return made


def _bought(order: Order, subscription: Subscription | None, state: protocol.PaymentState) -> tuple[str, int]:
    """Return the words and the credits of a payment, by the prices that our rows keep. Raises NotOurs."""
    if subscription is None or state.reason == "first":
        return order.name, order.credits
    current, chosen = (subscription.plan, subscription.amount), (subscription.next_plan, subscription.next_amount)
    if state.reason == "renewal":
        if (state.item, state.amount) == chosen:
            _become_next(subscription)
        elif (state.item, state.amount) != current:
            raise NotOurs("other_amount", f"A renewal of {state.item} for {state.amount} is not what was agreed.")
        if state.period_end:
            Subscription.objects.filter(id=subscription.id).update(period_end=state.period_end)
        return f"{subscription.name}, next month", subscription.credits
    more, dearer = subscription.next_credits - subscription.credits, subscription.next_amount - subscription.amount
    if state.item != subscription.next_plan or more <= 0 or dearer <= 0:
        raise NotOurs("other_item", f"A change to {state.item or 'nothing known'} was not asked for.")
    # The difference is charged for what is left of the month, and brings credits in the same measure.
    credits_ = min(more, more * state.amount // dearer)
    name = f"{subscription.name} to {subscription.next_name}"
    _become_next(subscription)
    return name, credits_


def _become_next(subscription: Subscription) -> None:
    subscription.plan, subscription.name = subscription.next_plan, subscription.next_name
    subscription.credits, subscription.amount = subscription.next_credits, subscription.next_amount
    subscription.next_plan, subscription.next_name, subscription.next_credits, subscription.next_amount = "", "", 0, 0
    subscription.save()
    set_limits(subscription)


def _end(period_end: datetime.datetime | None) -> datetime.datetime:
    """Return when plan credits end: some time after their month, and never before somebody could use them."""
    now = clock.now()
    return max(period_end or now, now) + datetime.timedelta(hours=catalog.current().billing.grace_hours)


def _take_back(payment: Payment, state: protocol.PaymentState) -> list[str]:
    """Take credits back in the measure of the money that went back, or give them again when it did not after all."""
    refunded = min(state.refunded, payment.amount)
    gone = state.dispute in {"open", "lost"}
    wanted = payment.credits if gone else payment.credits * refunded // payment.amount
    before = (payment.refunded, payment.dispute, payment.claimed)
    if before == (refunded, state.dispute, wanted):
        return []
    reason = _why(payment, refunded, state.dispute)
    if wanted > payment.claimed:
        payment.moves += 1
        payment.taken_back += _revoke(payment, wanted - payment.claimed, reason)
    elif wanted < payment.claimed:
        payment.moves += 1
        again = min(payment.taken_back, payment.claimed - wanted)
        payment.taken_back -= again
        _restore(payment, again, reason)
    payment.refunded, payment.dispute, payment.claimed = refunded, state.dispute, wanted
    payment.save()
    if payment.credits:
        notices.announce_balance(payment.workspace_id)
    return [reason]


def _why(payment: Payment, refunded: int, dispute: str) -> str:
    if dispute != payment.dispute:
        return f"{payment.name}: " + {
            "open": "the payment is disputed", "won": "the dispute was decided for us", "lost": "the dispute was lost",
            "": "the dispute was withdrawn",
        }[dispute]  # fmt: skip
    return f"{payment.name}: " + ("refunded" if refunded > payment.refunded else "the refund did not go through")


def _revoke(payment: Payment, amount: int, reason: str) -> int:
    """Take `amount` credits from the payment's grants, newest first; returns how many that were, owed ones included."""
    left = amount
    for number in _grants(payment):
        taken = ledger.revoke(
            number, amount=left, reference=f"taken:{payment.id}:{payment.moves}:{number}", reason=reason,
            actor=payment.gateway,
        )  # fmt: skip
        left -= taken.revoked + taken.debt
        if not left:
            break
    return amount - left


def _grants(payment: Payment) -> list[int]:
    """Return the payment's own grant and those by which credits came again, newest first."""
    rows = CreditGrant.objects.filter(workspace_id=payment.workspace_id, reference__startswith=f"again:{payment.id}:")
    return [*rows.order_by("-id").values_list("id", flat=True), *([payment.grant_id] if payment.grant_id else [])]


def _restore(payment: Payment, amount: int, reason: str) -> None:
    if not amount:
        return
    source = Order.Kind.PACK if payment.subscription_id is None else Order.Kind.PLAN
    ledger.grant(
        payment.workspace_id, source=source, amount=amount, reference=f"again:{payment.id}:{payment.moves}",
        expires_at=None if source == Order.Kind.PACK else _end(payment.period_end), actor=payment.gateway,
        reason=reason,
    )  # fmt: skip


def _subscription(gateway: str, state: protocol.SubscriptionState) -> list[str]:
    order = _order(gateway, state.order, state.id)
    if order is None:
        raise NotOurs("no_order", "A subscription belongs to no order of ours.")
    _same(gateway, order, state)
    if order.kind != Order.Kind.PLAN:
        raise NotOurs("other_item", "A subscription was begun on an order for a pack.")
    if state.state == "ended" and not Subscription.objects.filter(order=order).exists():
        return []  # it was over before it was ever paid
    ours = _subscribed(gateway, order, state)
    if state.item not in {ours.plan, ours.next_plan, ""}:
        raise NotOurs("other_item", f"The subscription is for {state.item}, which was not asked for here.")
    ended_at = ours.ended_at or (clock.now() if state.state == "ended" else None)
    # What has ended does not begin again.
    state_word = Subscription.State.ENDED if ended_at else Subscription.State(state.state)
    seen = (state_word, state.period_end or ours.period_end, state.cancels_at_period_end, ended_at)
    if seen == (ours.state, ours.period_end, ours.cancels_at_period_end, ours.ended_at):
        return []
    ours.state, ours.period_end, ours.cancels_at_period_end, ours.ended_at = seen
    ours.save()
    set_limits(ours)
    return [f"{ours.name}: {_standing(ours)}"]


def _standing(ours: Subscription) -> str:
    if ours.state == Subscription.State.ENDED:
        return "the plan has ended"
    if ours.state == Subscription.State.PAST_DUE:
        return "the last payment did not arrive"
    return "the plan ends with its month" if ours.cancels_at_period_end else "the plan goes on"


def set_limits(subscription: Subscription) -> None:
    """Let the workspace have what its plan allows, and no longer than the plan runs."""
    plan = catalog.current().plan(subscription.plan) if subscription.state != Subscription.State.ENDED else None
    Workspace.objects.filter(id=subscription.workspace_id).update(
        concurrent=plan.concurrent if plan else None, members_most=(plan.members or None) if plan else None
    )


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


def order_of(workspace_id: uuid.UUID, order_id: uuid.UUID) -> Order | None:
    """Return an order of the workspace, or None."""
    return Order.objects.filter(workspace_id=workspace_id, id=order_id).first()
