"""Plans through Creem, whole journeys: months, changes of plan, cancelling, payments that fail, their end."""

import datetime

import pytest

from gesso.billing import subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Mismatch, Payment
from tests.billing.gateways.creem_install import install, open_install
from tests.fakes import creem_months

__all__ = ["install", "open_install"]
pytestmark = pytest.mark.django_db


def payments():
    return [(row.reason, row.name, row.credits, row.amount) for row in Payment.objects.order_by("paid_at")]


def until(install):
    return datetime.datetime.fromisoformat(
        install.store.shop.subscriptions[install.plan().external_id]["current_period_end_date"]
    )


def test_a_plan_through_three_periods(install):
    install.bought("plan")
    for _ in range(2):
        install.next_month()
        install.hear(copies=2)
    assert [(reason, added) for reason, _, added, _ in payments()] == [
        ("first", 400), ("renewal", 400), ("renewal", 400),
    ]  # fmt: skip
    assert install.balance() == (1200, 0)
    assert install.plan().period_end == until(install)
    assert [row.grant.expires_at - row.period_end for row in Payment.objects.all()] == [
        datetime.timedelta(hours=48)
    ] * 3
    assert not Mismatch.objects.exists()
    assert install.books_hold()


def test_a_subscription_that_is_active_but_not_paid_brings_nothing(install):
    order = install.order("plan")
    install.press(order, "pay")
    kept = dict(install.store.shop.transactions)
    install.store.shop.transactions.clear()
    install.hear()
    assert (install.plan(), install.balance()) == (None, (0, 0))
    install.store.shop.transactions.update(kept)
    install.store.outbox.emit("subscription.paid", next(iter(install.store.shop.subscriptions.values())), 0)
    install.hear()
    assert install.balance() == (400, 0)


def test_cancelling_lets_the_month_run_out_and_resuming_undoes_it(install):
    install.bought("plan")
    assert subscriptions.cancel(install.buyer.workspace).cancels_at_period_end
    assert not subscriptions.resume(install.buyer.workspace).cancels_at_period_end
    assert subscriptions.cancel(install.buyer.workspace).cancels_at_period_end
    install.hear()
    install.next_month()
    install.hear()
    assert (install.plan(), install.balance()) == (None, (400, 0))
    install.buyer.workspace.refresh_from_db()
    assert install.buyer.workspace.concurrent is None
    assert not Mismatch.objects.exists()


def test_resuming_what_runs_is_refused_in_creems_words(install):
    install.bought("plan")
    with pytest.raises(protocol.Refused, match="There is nothing to resume"):
        subscriptions.resume(install.buyer.workspace)


def test_a_dearer_plan_is_had_at_once_for_the_difference(install):
    install.bought("plan")
    install.store.shop.ahead += datetime.timedelta(days=15)
    plan = subscriptions.change(install.buyer.workspace, "team")
    assert (plan.plan, plan.credits, plan.next_plan) == ("team", 1500, "")
    (_, (reason, name, added, amount)) = payments()
    assert (reason, name, amount) == ("change", "Studio to Team", 1400)
    assert added == 550  # half of the difference for half of the month
    install.hear(copies=2)
    install.next_month()
    install.hear()
    assert payments()[2:] == [("renewal", "Team, next month", 1500, 4200)]
    assert install.balance() == (400 + 550 + 1500, 0)
    assert not Mismatch.objects.exists()
    assert install.books_hold()


def test_a_smaller_plan_comes_with_the_next_month(install):
    install.bought("plan", "team")
    plan = subscriptions.change(install.buyer.workspace, "studio")
    assert (plan.plan, plan.next_plan) == ("team", "studio")
    assert len(payments()) == 1
    install.next_month()
    install.hear()
    assert payments()[1:] == [("renewal", "Studio, next month", 400, 1400)]
    assert (install.plan().plan, install.plan().next_plan) == ("studio", "")
    assert not Mismatch.objects.exists()


def test_a_smaller_plan_can_be_thought_better_of(install):
    install.bought("plan", "team")
    subscriptions.change(install.buyer.workspace, "studio")
    assert subscriptions.change(install.buyer.workspace, "team").next_plan == ""
    install.next_month()
    install.hear()
    assert payments()[1:] == [("renewal", "Team, next month", 1500, 4200)]


def test_a_month_that_nobody_heard_of_before_a_change_is_known_by_its_price(install):
    install.bought("plan", "team")
    install.next_month()
    install.store.outbox.deliver(install.post, drop=lambda _: True)
    subscriptions.change(install.buyer.workspace, "studio")
    assert payments()[1:] == [("renewal", "Team, next month", 1500, 4200)]
    assert install.plan().next_plan == "studio"
    assert not Mismatch.objects.exists()


def test_a_month_that_is_not_paid_is_past_due_until_it_is_or_ends(install):
    install.bought("plan")
    install.next_month(paid=False)
    install.hear()
    assert (install.plan().state, install.balance()) == ("past_due", (400, 0))
    install.next_month()
    install.hear()
    assert (install.plan().state, install.balance()) == ("active", (800, 0))
    install.next_month(paid=False)
    creem_months.end_now(install.store.shop, install.plan().external_id)
    install.hear()
    assert install.plan() is None


@pytest.mark.parametrize(
    ("status", "state"),
    [("unpaid", "past_due"), ("paused", "past_due"), ("expired", "past_due"), ("trialing", "active")],
)
def test_only_canceled_is_final(install, status, state):
    install.bought("plan")
    install.store.shop.subscriptions[install.plan().external_id]["status"] = status
    subscriptions.look_again(install.plan())
    assert install.plan().state == state


def test_a_month_is_refunded_and_another_disputed(install):
    install.bought("plan")
    install.next_month()
    install.hear()
    first, second = Payment.objects.order_by("paid_at")
    subscriptions.refund(first, None, "key")
    install.hear()
    install.store.shop.dispute(second.external_id)
    install.hear()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.refunded, second.dispute, install.balance()) == (1400, "open", (0, 0))
    assert install.books_hold()


def test_the_portal_is_creems(install):
    install.bought("plan")
    assert subscriptions.portal(install.buyer.workspace).startswith(f"{install.store.url}/portal/cust_")


def test_what_creem_is_asked_when_a_plan_changes(install):
    install.bought("plan")
    plan = install.plan().external_id
    subscriptions.change(install.buyer.workspace, "team")
    subscriptions.cancel(install.buyer.workspace)
    asked = [call for call in install.store.server.journal if "/subscriptions/" in call[1] and call[0] == "POST"]
    assert asked == [
        ("POST", f"/v1/subscriptions/{plan}/upgrade",
         {"product_id": "prod_team", "update_behavior": "proration-charge-immediately"}),
        ("POST", f"/v1/subscriptions/{plan}/cancel", {"mode": "scheduled", "onExecute": "cancel"}),
    ]  # fmt: skip
