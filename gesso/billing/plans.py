"""What reports mean for a workspace's plan: it begins, is paid for, changes, ends, and brings its limits.

Invariants: what a month or a change brings is what was agreed, in our rows, for that price: when the plan was bought or
when a change was asked for, however late it is paid. A plan is what its newest payment paid for, so that payments may
be heard in any order. The limits of a workspace are those of its plan that runs.
"""

import datetime
import uuid
from typing import NamedTuple

from django.db.models import F, Q

from gesso.accounts.models import Workspace
from gesso.billing.borne_out import NotOurs
from gesso.billing.gateways import protocol
from gesso.billing.models import Order, Payment, PlanChange, Subscription
from gesso.core import catalog, clock, currencies


class Terms(NamedTuple):
    """What was agreed for a month."""

    plan: str
    name: str
    credits: int
    amount: int


class Bought(NamedTuple):
    """What a payment brings: the words of its receipt, its credits, and the change that it pays for, if any."""

    name: str
    credits: int
    change: PlanChange | None = None


def begin(gateway: str, order: Order, state: protocol.PaymentState | protocol.SubscriptionState) -> Subscription:
    """Return the order's subscription, beginning it when this is the first that is heard of it. Raises NotOurs."""
    number = state.subscription if isinstance(state, protocol.PaymentState) else state.id
    known = Subscription.objects.filter(order=order).first()
    if known:
        if known.external_id != number:
            raise NotOurs("other_subscription", f"The order has the subscription {known.external_id}, not {number}.")
        return known
    if not number or Subscription.objects.filter(gateway=gateway, external_id=number).exists():
        raise NotOurs("other_subscription", f"The subscription {number or 'without an id'} is not of this order.")
    # Two plans that are bought at the same moment stand in line here.
    Workspace.objects.select_for_update(no_key=True).get(id=order.workspace_id)
    if running(order.workspace_id):
        raise NotOurs("second_subscription", "The workspace has a plan already; this one should be ended and refunded.")
    made = Subscription.objects.create(
        workspace_id=order.workspace_id, order=order, gateway=gateway, external_id=number, plan=order.item,
        name=order.name, credits=order.credits, amount=order.amount, currency=order.currency,
        period_end=state.period_end, changed_at=clock.now(),
    )  # fmt: skip
    set_limits(made.workspace_id)
    return made


def running(workspace_id: uuid.UUID) -> Subscription | None:
    """Return the workspace's plan that runs, or None."""
    return Subscription.objects.filter(workspace_id=workspace_id).exclude(state=Subscription.State.ENDED).first()


def bought(order: Order, subscription: Subscription, state: protocol.PaymentState) -> Bought:
    """Return what a payment for a plan brings, and let the plan become what its newest payment says. Raises NotOurs."""
    if state.reason == "first":
        return Bought(order.name, order.credits)
    if state.reason == "renewal":
        terms = _agreed(order, subscription, state)
        _become(subscription, terms, state)
        return Bought(f"{terms.name}, next month", terms.credits)
    change = (
        PlanChange.objects.filter(subscription=subscription, plan=state.item, payment__isnull=True)
        .filter(amount__gt=F("from_amount"))
        .order_by("id")
        .first()
    )
    if change is None:
        raise NotOurs("other_item", f"A change to {state.item or 'nothing known'} was not asked for.")
    # The difference is charged for what is left of the month, and brings credits in the same measure.
    more, dearer = max(change.credits - change.from_credits, 0), change.amount - change.from_amount
    _become(subscription, Terms(change.plan, change.name, change.credits, change.amount), state)
    return Bought(f"{change.from_name} to {change.name}", min(more, more * state.amount // dearer), change)


def _agreed(order: Order, ours: Subscription, state: protocol.PaymentState) -> Terms:
    """Return the terms, newest first, under which this price for this plan was agreed once. Raises NotOurs."""
    terms = [
        Terms(ours.next_plan, ours.next_name, ours.next_credits, ours.next_amount),
        Terms(ours.plan, ours.name, ours.credits, ours.amount),
        *(
            Terms(row.plan, row.name, row.credits, row.amount)
            for row in PlanChange.objects.filter(subscription=ours).order_by("-id")
        ),
        Terms(order.item, order.name, order.credits, order.amount),
    ]
    for found in terms:
        if found.plan and (found.plan, found.amount) == (state.item, state.amount):
            return found
    paid = currencies.paid(state.amount, state.currency)
    raise NotOurs("other_amount", f"A renewal of {state.item} for {paid} is not what was agreed.")


def _become(ours: Subscription, terms: Terms, state: protocol.PaymentState) -> None:
    """Let the plan be what was paid for, unless something newer was paid; its month goes on, never back."""
    if Payment.objects.filter(subscription=ours, paid_at__gt=state.paid_at).exists():
        return
    ours.period_end = max(filter(None, (ours.period_end, state.period_end)), default=None)
    if terms.plan == ours.next_plan:
        ours.next_plan, ours.next_name, ours.next_credits, ours.next_amount = "", "", 0, 0
    ours.plan, ours.name, ours.credits, ours.amount = terms
    ours.changed_at = clock.now()
    ours.save()
    set_limits(ours.workspace_id)


def follow(order: Order, ours: Subscription, state: protocol.SubscriptionState) -> Subscription | None:
    """Return the subscription changed to how it stands at the gateway, not saved yet; None: it stands as it did.

    What has ended does not begin again. Raises NotOurs.
    """
    known = PlanChange.objects.filter(subscription=ours, plan=state.item)
    if state.item not in {ours.plan, ours.next_plan, order.item, ""} and not known.exists():
        raise NotOurs("other_item", f"The subscription is for {state.item}, which was not asked for here.")
    ended_at = ours.ended_at or (clock.now() if state.state == "ended" else None)
    word = Subscription.State.ENDED if ended_at else Subscription.State(state.state)
    seen = (word, state.period_end or ours.period_end, state.cancels_at_period_end, ended_at)
    if seen == (ours.state, ours.period_end, ours.cancels_at_period_end, ours.ended_at):
        return None
    ours.state, ours.period_end, ours.cancels_at_period_end, ours.ended_at = seen
    return ours


def standing(ours: Subscription) -> str:
    """Return how the plan stands, in words."""
    if ours.state == Subscription.State.ENDED:
        return "the plan has ended"
    if ours.state == Subscription.State.PAST_DUE:
        return "the last payment did not arrive"
    return "the plan ends with its month" if ours.cancels_at_period_end else "the plan goes on"


def set_limits(workspace_id: uuid.UUID) -> None:
    """Let the workspace have what its plan allows, and no longer than the plan runs."""
    ours = running(workspace_id)
    plan = catalog.current().plan(ours.plan) if ours else None
    rows = Workspace.objects.filter(id=workspace_id)
    if plan:
        rows.update(concurrent=plan.concurrent, members_most=plan.members or None)
    elif ours is None:
        rows.filter(Q(concurrent__isnull=False) | Q(members_most__isnull=False)).update(
            concurrent=None, members_most=None
        )
    # A plan that is not sold any more keeps the limits that it had.


def end(period_end: datetime.datetime | None) -> datetime.datetime:
    """Return when plan credits end: some time after their month, and never before somebody could use them."""
    now = clock.now()
    return max(period_end or now, now) + datetime.timedelta(hours=catalog.current().billing.grace_hours)
