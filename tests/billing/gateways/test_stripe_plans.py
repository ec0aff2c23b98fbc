"""Plans through Stripe: month after month, changed, not paid, canceled, taken up again, refunded."""

import datetime

import pytest

from gesso.billing import subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Mismatch, Payment, Subscription
from tests.billing.gateways.stripe_install import install, open_install

__all__ = ["install", "open_install"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def studio(install):
    """An install whose buyer has the smaller plan, in its first month."""
    install.bought("plan")
    return install


def payments() -> list[tuple[str, int, int]]:
    return [(row.reason, row.credits, row.amount) for row in Payment.objects.order_by("id")]


def test_three_months(studio):
    number = studio.plan().external_id
    for _ in range(2):
        studio.fake.renew(number)
        studio.hear()
    assert studio.balance() == (1200, 0)
    assert payments() == [("first", 400, 1400), ("renewal", 400, 1400), ("renewal", 400, 1400)]
    rows = list(Payment.objects.order_by("id"))
    assert {row.external_id[:3] for row in rows} == {"in_"}
    assert [row.grant.expires_at - row.period_end for row in rows] == [datetime.timedelta(hours=48)] * 3
    item = studio.fake.object(number)["items"]["data"][0]
    assert studio.plan().period_end.timestamp() == rows[-1].period_end.timestamp() == item["current_period_end"]
    studio.buyer.workspace.refresh_from_db()
    assert studio.buyer.workspace.concurrent == 8
    assert not Mismatch.objects.exists()
    assert studio.books_hold()


def test_months_are_found_when_the_last_is_heard_of_first(studio):
    for _ in range(3):
        studio.fake.renew(studio.plan().external_id)
    count = len(studio.fake.webhooks.held)
    studio.hear(*reversed(range(count)), *range(count))
    assert studio.balance() == (1600, 0)
    assert not Mismatch.objects.exists()


def test_a_first_month_that_is_paid_days_later(install):
    order = install.order("plan")
    install.press(order, "delay")
    install.hear()
    assert install.balance() == (0, 0)
    assert not Subscription.objects.exists()
    install.fake.settle(order.checkout_id)
    install.hear()
    assert (install.balance(), install.plan().state) == ((400, 0), "active")


def test_a_first_month_that_is_never_paid(install):
    order = install.order("plan")
    install.press(order, "delay")
    install.fake.settle(order.checkout_id, paid=False)
    install.hear()
    order.refresh_from_db()
    assert (order.state, install.balance(), Subscription.objects.count()) == ("failed", (0, 0), 0)


def test_a_dearer_plan_now_is_paid_by_the_difference(studio):
    subscriptions.change(studio.buyer.workspace, "team")
    plan = studio.plan()
    assert (plan.plan, plan.next_plan) == ("team", "")
    reason, brought, amount = payments()[-1]
    assert (reason, brought) == ("change", studio.balance()[0] - 400)
    assert 2795 <= amount <= 2800
    assert 1095 <= brought <= 1100
    studio.hear()
    studio.fake.renew(plan.external_id)
    studio.hear()
    assert payments()[-1] == ("renewal", 1500, 4200)
    assert len(payments()) == 3
    assert not Mismatch.objects.exists()
    assert studio.books_hold()


def test_a_dearer_plan_that_is_not_paid_changes_nothing(studio):
    studio.fake.decline_changes()
    with pytest.raises(protocol.Refused, match="declined"):
        subscriptions.change(studio.buyer.workspace, "team")
    assert (studio.plan().plan, studio.plan().next_plan, studio.balance()) == ("studio", "", (400, 0))
    studio.fake.decline_changes(declined=False)
    subscriptions.change(studio.buyer.workspace, "team")
    assert studio.plan().plan == "team"


def test_the_same_change_twice_is_paid_once(studio):
    order = studio.plan().order
    sale = protocol.Sale(
        order=str(order.id), kind="plan", item="team", name="Team", amount=4200, currency="usd", email="", customer="",
        product="", success_url="", cancel_url="",
    )  # fmt: skip
    for _ in range(2):
        studio.till.change_plan(studio.plan().external_id, sale, now=True)
    assert len(studio.fake.objects("invoice")) == 2


def test_a_cheaper_plan_from_the_next_month_on(install):
    install.bought("plan", "team")
    subscriptions.change(install.buyer.workspace, "studio")
    install.hear()
    assert (install.plan().plan, install.plan().next_plan, install.balance()) == ("team", "studio", (1500, 0))
    install.fake.renew(install.plan().external_id)
    install.hear()
    assert (install.plan().plan, install.plan().next_plan, install.balance()) == ("studio", "", (1900, 0))
    assert payments() == [("first", 1500, 4200), ("renewal", 400, 1400)]
    assert not Mismatch.objects.exists()


def test_a_choice_for_the_next_month_that_is_undone(install):
    install.bought("plan", "team")
    for plan in ("studio", "team"):
        subscriptions.change(install.buyer.workspace, plan)
    install.hear()
    install.fake.renew(install.plan().external_id)
    install.hear()
    assert payments() == [("first", 1500, 4200), ("renewal", 1500, 4200)]
    assert not Mismatch.objects.exists()


def test_a_month_that_is_not_paid_and_then_is(studio):
    invoice = studio.fake.fail_renewal(studio.plan().external_id)
    studio.hear()
    assert (studio.plan().state, studio.balance()) == ("past_due", (400, 0))
    studio.fake.recover(invoice["id"])
    studio.hear()
    assert (studio.plan().state, studio.balance()) == ("active", (800, 0))
    assert len(payments()) == 2


def test_a_month_that_is_never_paid_ends_the_plan(studio):
    number = studio.plan().external_id
    studio.fake.fail_renewal(number)
    studio.fake.end(number)
    studio.hear()
    assert (Subscription.objects.get().state, studio.balance()) == ("ended", (400, 0))
    studio.buyer.workspace.refresh_from_db()
    assert studio.buyer.workspace.concurrent is None
    studio.bought("plan")
    assert (studio.plan().state, studio.balance()) == ("active", (800, 0))


def test_a_canceled_plan_runs_out_with_its_month(studio):
    subscriptions.cancel(studio.buyer.workspace)
    assert studio.plan().cancels_at_period_end
    assert studio.fake.renew(studio.plan().external_id) == {}
    studio.hear()
    assert (Subscription.objects.get().state, studio.balance()) == ("ended", (400, 0))
    assert len(payments()) == 1


@pytest.mark.parametrize("by_the_portal", [False, True])
def test_a_canceled_plan_that_is_taken_up_again(studio, by_the_portal):
    number = studio.plan().external_id
    if by_the_portal:
        studio.fake.tamper(number, cancel_at=studio.fake.object(number)["items"]["data"][0]["current_period_end"])
        studio.fake.say("customer.subscription.updated", number)
        studio.hear()
        assert studio.plan().cancels_at_period_end
    else:
        subscriptions.cancel(studio.buyer.workspace)
    subscriptions.resume(studio.buyer.workspace)
    assert not studio.plan().cancels_at_period_end
    studio.fake.renew(number)
    studio.hear()
    assert (studio.plan().state, studio.balance()) == ("active", (800, 0))


def test_a_month_is_refunded_and_another_disputed(studio):
    studio.fake.renew(studio.plan().external_id)
    studio.hear()
    first, second = Payment.objects.order_by("id")
    subscriptions.refund(first, 700, "half")
    assert studio.balance() == (600, 0)
    studio.hear()
    dispute = studio.fake.dispute(second.external_id)
    studio.hear()
    assert studio.balance() == (200, 0)
    studio.fake.decide(dispute["id"], "won")
    studio.hear()
    assert studio.balance() == (600, 0)
    assert not Mismatch.objects.exists()
    assert studio.books_hold()


def test_the_portal_is_the_customers_own(studio):
    address = subscriptions.portal(studio.buyer.workspace)
    assert address.startswith(studio.till.page_origins[0])
    asked = next(params for _, path, params, _ in studio.fake.journal if path == "/v1/billing_portal/sessions")
    assert asked["customer"] == studio.fake.object(studio.plan().external_id)["customer"]
    assert asked["return_url"].endswith("/credits/plan")


def test_a_plan_that_staff_changed_to_something_else_is_for_staff(studio):
    number = studio.plan().external_id
    item = studio.fake.object(number)["items"]
    item["data"][0]["price"] |= {"product": "prod_of_the_dashboard"}
    studio.fake.tamper(number, items=item)
    studio.fake.say("customer.subscription.updated", number)
    studio.hear()
    assert {row.code for row in Mismatch.objects.all()} == {"other_item"}
    assert studio.balance() == (400, 0)
