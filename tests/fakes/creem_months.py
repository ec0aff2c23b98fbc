"""What happens to a subscription of the fake Creem: months that are paid or not, changes of plan, its end."""

import datetime

from tests.fakes import creem_rows
from tests.fakes.creem_rows import Row, iso
from tests.fakes.creem_shop import MONTH, NotAllowed, Shop


def _period(plan: Row) -> tuple[datetime.datetime, datetime.datetime]:
    return tuple(datetime.datetime.fromisoformat(plan[f"current_period_{end}_date"]) for end in ("start", "end"))


def next_period(shop: Shop, number: str, *, paid: bool = True) -> Row:
    """Let the month end: it is renewed, ends where that was scheduled, or is not paid."""
    with shop.lock:
        plan = shop.subscriptions[number]
        _, end = _period(plan)
        shop.pass_time(end)
        if plan["status"] == "scheduled_cancel":
            return end_now(shop, number)
        if plan["status"] not in {"active", "past_due"}:
            raise NotAllowed("The subscription is over.")
        if not paid:
            plan |= {"status": "past_due", "updated_at": iso(shop.now())}
            shop.tell("subscription.expired", number)
            shop.tell("subscription.past_due", number)
            return plan
        plan |= {"current_period_start_date": iso(end), "current_period_end_date": iso(end + MONTH), "status": "active"}
        _charge(shop, plan, plan["product"]["price"], (end, end + MONTH))
        shop.tell("subscription.paid", number)
        return plan


def _charge(shop: Shop, plan: Row, amount: int, period: tuple[datetime.datetime, datetime.datetime]) -> None:
    made = creem_rows.transaction(
        amount, plan["product"]["currency"], customer=plan["customer"], order_id=creem_rows.number("ord"),
        subscription=plan["id"], mode=shop.mode, now=shop.now(), period=period,
    )  # fmt: skip
    shop.transactions[made["id"]] = made
    plan |= {"last_transaction_id": made["id"], "updated_at": iso(shop.now())}


def upgrade(shop: Shop, number: str, product: str, behaviour: str) -> Row:
    """Change the product at once; with proration the difference for what is left of the month is charged."""
    with shop.lock:
        plan = shop.subscriptions[number]
        if plan["status"] not in {"active", "scheduled_cancel"}:
            raise NotAllowed("The subscription is not active.")
        if product not in shop.products:
            raise NotAllowed("Product not found")
        before, (start, end), now = plan["product"]["price"], _period(plan), shop.now()
        plan |= {"product": shop.products[product], "updated_at": iso(now)}
        dearer = plan["product"]["price"] - before
        if behaviour != "proration-none" and dearer > 0:
            share = max(0.0, min(1.0, (end - now) / (end - start)))
            _charge(shop, plan, max(1, round(dearer * share)), (now, end))
            shop.tell("subscription.paid", number)
        shop.tell("subscription.update", number)
        return plan


def cancel(shop: Shop, number: str, mode: str) -> Row:
    """End it now, or with its month."""
    with shop.lock:
        plan = shop.subscriptions[number]
        if plan["status"] == "canceled":
            raise NotAllowed("The subscription is canceled already.")
        if mode == "immediate":
            return end_now(shop, number)
        plan |= {"status": "scheduled_cancel", "canceled_at": iso(shop.now()), "updated_at": iso(shop.now())}
        shop.tell("subscription.scheduled_cancel", number)
        return plan


def resume(shop: Shop, number: str) -> Row:
    """Undo a cancellation that is scheduled, or a pause."""
    with shop.lock:
        plan = shop.subscriptions[number]
        if plan["status"] not in {"scheduled_cancel", "paused"}:
            raise NotAllowed("There is nothing to resume.")
        plan |= {"status": "active", "canceled_at": None, "updated_at": iso(shop.now())}
        shop.tell("subscription.update", number)
        return plan


def end_now(shop: Shop, number: str) -> Row:
    """End it."""
    with shop.lock:
        plan = shop.subscriptions[number]
        plan |= {"status": "canceled", "canceled_at": iso(shop.now()), "updated_at": iso(shop.now())}
        shop.tell("subscription.canceled", number)
        return plan
