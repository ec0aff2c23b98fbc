"""A workspace's plan: which it has, changing it, letting it run out, going on, and refunds of what was paid.

Everything asks the gateway first and then looks there: our rows follow what it says, never what we hoped.
"""

import uuid

from django.conf import settings

from gesso.accounts.models import Workspace
from gesso.billing import looking, orders, plans, registry
from gesso.billing.gateways import protocol
from gesso.billing.models import Payment, PlanChange, Subscription
from gesso.core import catalog


class NoPlan(Exception):
    """The workspace has no plan that runs."""


class NoChange(Exception):
    """There is no such plan, or it is the one that the workspace has."""


def current(workspace_id: uuid.UUID) -> Subscription | None:
    """Return the workspace's plan that runs, or None."""
    return plans.running(workspace_id)


def change(workspace: Workspace, plan_id: str) -> Subscription:
    """Move to another plan: a dearer one now, paid by the difference; a cheaper one from the next month on.

    Choosing the plan that one has undoes a change that waits for the next month. Raises NoPlan, NoChange, and
    protocol.Unavailable or Refused (nothing changed then, as far as we know).
    """
    ours = _mine(workspace)
    plan = catalog.current().plan(plan_id)
    if plan is None or (plan_id == ours.plan and not ours.next_plan):
        raise NoChange("This is the plan that the workspace has." if plan else "There is no such plan.")
    back = plan_id == ours.plan
    asked = PlanChange.objects.create(
        subscription=ours, plan=plan.id, name=plan.name, credits=ours.credits if back else plan.credits,
        amount=ours.amount if back else plan.price, from_name=ours.name, from_credits=ours.credits,
        from_amount=ours.amount,
    )  # fmt: skip
    before = (ours.next_plan, ours.next_name, ours.next_credits, ours.next_amount)
    _next(ours, *(("", "", 0, 0) if back else (plan.id, plan.name, plan.credits, plan.price)))
    sale = protocol.Sale(
        order=str(ours.order_id), kind="plan", item=plan.id, name=plan.name,
        amount=ours.amount if back else plan.price, currency=ours.currency, email="", customer="",
        product=plan.creem_product, success_url=settings.GESSO.base_url, cancel_url=settings.GESSO.base_url,
    )  # fmt: skip
    try:
        registry.find(ours.gateway).change_plan(ours.external_id, sale, now=not back and plan.price > ours.amount)
    except (protocol.Unavailable, protocol.Refused) as problem:
        _next(ours, *before)
        if isinstance(problem, protocol.Refused):
            asked.delete()
        raise
    return look_again(ours)


def _next(ours: Subscription, plan: str, name: str, credits_: int, amount: int) -> None:
    ours.next_plan, ours.next_name, ours.next_credits, ours.next_amount = plan, name, credits_, amount
    ours.save(update_fields=["next_plan", "next_name", "next_credits", "next_amount"])


def cancel(workspace: Workspace) -> Subscription:
    """Let the plan end with its month. Raises NoPlan, protocol.Unavailable, protocol.Refused."""
    ours = _mine(workspace)
    registry.find(ours.gateway).cancel_at_period_end(ours.external_id)
    return look_again(ours)


def resume(workspace: Workspace) -> Subscription:
    """Let a canceled plan go on. Raises NoPlan, protocol.Unavailable, protocol.Refused."""
    ours = _mine(workspace)
    registry.find(ours.gateway).resume(ours.external_id)
    return look_again(ours)


def portal(workspace: Workspace) -> str:
    """Return the address where the card is changed, or "" where the gateway has none. Raises as `cancel`."""
    ours = _mine(workspace)
    who = orders.customer(ours.order)
    return registry.find(ours.gateway).portal(who, f"{settings.GESSO.base_url}/credits/plan") if who else ""


def refund(payment: Payment, amount: int | None, key: str) -> Payment:
    """Send money back (None: all that is left) and take its credits; the same `key` again does nothing.

    Raises protocol.Unavailable and Refused.
    """
    till = registry.find(payment.gateway)
    till.refund(payment.external_id, amount, key)
    looking.look(till, protocol.Subject("payment", payment.external_id))
    payment.refresh_from_db()
    return payment


def look_again(ours: Subscription) -> Subscription:
    """Ask the gateway how the subscription stands; returns it as it is then. Raises protocol.Unavailable, Refused."""
    looking.look(registry.find(ours.gateway), protocol.Subject("subscription", ours.external_id))
    ours.refresh_from_db()
    return ours


def _mine(workspace: Workspace) -> Subscription:
    ours = current(workspace.id)
    if ours is None:
        raise NoPlan("This workspace has no plan.")
    return ours
