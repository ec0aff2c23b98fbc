"""The plan's page: how it stands in words, moving between plans, ending and going on, and refusals that change nothing."""

import datetime

import pytest

from gesso.accounts import teams
from gesso.accounts.models import Membership
from gesso.billing.gateways import protocol
from gesso.billing.models import Customer, Order, Subscription
from gesso.core import clock
from gesso.web import wording
from tests import world
from tests.web.money import counter as shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscriber(counter):
    counter.get(counter.pay("studio"))
    return counter


def ours() -> Subscription:
    return Subscription.objects.get()


def post(counter, deed: str, **fields: str):
    """Press a button of the page."""
    return counter.browser.post(f"/credits/plan/{deed}", {"workspace": str(counter.who.workspace.id), **fields})


def do(counter, deed: str, **fields: str) -> str:
    """Press a button of the page and return the page that follows."""
    answer = post(counter, deed, **fields)
    assert (answer.status_code, answer["Location"]) == (303, "/credits/plan"), answer.content
    return counter.get("/credits/plan")


def test_without_a_plan_the_page_leads_to_buying(counter):
    page = counter.get("/credits/plan")
    assert "No plan" in page and 'href="/credits/buy#plans">See plans' in page


def test_a_plan_that_runs(subscriber):
    page = subscriber.get("/credits/plan")
    until = wording.date(ours().period_end)
    assert f"It renews on {until}: Studio, 400 credits for $14 before tax." in page
    assert "Cancel the plan" in page and "Card and invoices" not in page  # the test checkout has no card
    assert ">Studio plan</a>" in subscriber.get("/credits")


def test_canceling_and_going_on(subscriber):
    page = do(subscriber, "cancel")
    until = wording.date(ours().period_end)
    assert (
        "Studio ends with its month." in page
        and f"It ends with its month, on {until}. Nothing more is charged." in page
    )
    assert "Keep the plan" in page and "Cancel the plan" not in page
    assert "new on" not in subscriber.get("/credits")
    page = do(subscriber, "resume")
    assert "Studio goes on." in page and f"It renews on {until}" in page
    assert "400 new on" in subscriber.get("/credits")


def test_a_dearer_plan_now_with_the_difference(subscriber):
    page = subscriber.get("/credits/plan")
    assert "Now. You are charged the difference for what is left of the month, at most $28, and get credits" in page
    page = do(subscriber, "change", plan="team")
    assert "The plan is Team." in page and "Team, 1,500 credits for $42 before tax." in page
    assert world.available(subscriber.who) == 1500  # the month has just begun


def test_a_cheaper_plan_next_month_and_back(subscriber):
    do(subscriber, "change", plan="team")
    assert "From the next month on. Nothing is charged before that." in subscriber.get("/credits/plan")
    page = do(subscriber, "change", plan="studio")
    assert "Studio from the next month on." in page and "Studio, 400 credits for $14 before tax." in page
    assert "Next month</span>" in page and "Keep this plan" in page
    assert "400 new on" in subscriber.get("/credits")
    page = do(subscriber, "change", plan="team")
    assert "The plan is Team." in page and "Next month" not in page
    assert ours().next_plan == ""


def test_a_payment_that_did_not_arrive(subscriber):
    Subscription.objects.update(state="past_due")
    page = subscriber.get("/credits/plan")
    assert "The last payment did not arrive." in page and "Cancel the plan" in page and "Switch for" not in page
    assert "new on" not in subscriber.get("/credits")


def test_a_plan_that_has_ended_is_named(subscriber):
    Subscription.objects.update(state="ended", ended_at=clock.now())
    assert f"Studio ended on {wording.date(clock.now())}." in subscriber.get("/credits/plan")


def test_the_card_is_changed_on_the_gateways_page(counter, till):
    counter.buy("studio")
    unpaid = counter.get("/credits/plan")
    assert "No plan" in unpaid
    made = Order.objects.get()
    till.press(str(made.id), "pay", clock.now())
    counter.get(f"/credits/orders/{made.id}")
    assert shop.code(shop.said(post(counter, "portal"), 409)) == "no_portal"
    Customer.objects.create(workspace=counter.who.workspace, gateway="stripe", live=made.live, external_id="cus_1")
    assert "Card and invoices" in counter.get("/credits/plan")
    assert post(counter, "portal")["Location"] == "https://pay.example/portal/cus_1"
    for trouble, status, code in (
        (protocol.Unavailable("down"), 503, "gateway_unavailable"), (protocol.Refused("no"), 502, "gateway_refused"),
    ):  # fmt: skip
        till.trouble = trouble
        for deed in ("cancel", "portal"):
            assert shop.code(shop.said(post(counter, deed), status)) == code
        changed = post(counter, "change", plan="team")
        assert shop.code(shop.said(changed, status)) == code
    assert (ours().plan, ours().next_plan, ours().cancels_at_period_end) == ("studio", "", False)


@pytest.mark.parametrize(("plan", "words"), [("studio", "This is the plan"), ("none", "There is no such plan.")])
def test_a_change_to_nothing_new(subscriber, plan, words):
    page = shop.said(post(subscriber, "change", plan=plan), 409)
    assert shop.code(page) == "no_change" and words in page and "Nothing was changed." in page
    assert post(subscriber, "change").status_code == 400


@pytest.mark.parametrize("deed", ["change", "cancel", "resume", "portal"])
def test_without_a_plan_nothing_is_done(counter, deed):
    page = shop.said(post(counter, deed, plan="team"), 409)
    assert shop.code(page) == "no_plan"
    assert counter.browser.get(f"/credits/plan/{deed}").status_code == 405


@pytest.mark.parametrize("deed", ["change", "cancel", "resume", "portal"])
def test_who_may_not_change_the_plan_reads_why(subscriber, deed):
    Membership.objects.update(role=Membership.Role.VIEWER)
    page = subscriber.get("/credits/plan")
    assert "Only owners and admins of this workspace can change its plan." in page
    assert "/credits/plan/" not in page  # no form
    refused = shop.said(post(subscriber, deed, plan="team"), 403)
    assert shop.code(refused) == "not_allowed"
    assert (ours().plan, ours().cancels_at_period_end) == ("studio", False)


def test_a_form_of_another_workspace_changes_nothing(subscriber):
    team = teams.create(subscriber.who.user, "Kiln and Linen").workspace
    subscriber.browser.post("/team/switch", {"workspace": str(team.id)})
    for deed in ("change", "cancel", "resume", "portal"):
        assert shop.code(shop.said(post(subscriber, deed, plan="team"), 409)) == "other_workspace"
    assert (ours().plan, ours().cancels_at_period_end) == ("studio", False)


def test_a_plan_that_renewed_shows_both_months(subscriber):
    shelf = shop.Shelf()
    number = f"ts_{ours().order_id}"
    past = clock.now() - datetime.timedelta(hours=1)
    shelf.put(number, shelf.get(number) | {"period_end": past.isoformat()})
    do(subscriber, "resume")  # looks at the gateway, which has renewed meanwhile
    assert "Studio, next month, Test card" in subscriber.get("/credits")
    assert subscriber.get("/credits/receipts").count("/credits/receipts/") >= 2
