"""Paying on a gateway's own pages in a real browser: the page's policy lets one go there, and one comes back to credits."""

import pytest
from playwright.sync_api import expect

from tests import instance
from tests.browser.conftest import DAILY
from tests.fakes import stripe

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def till():
    """A Stripe that adds a fifth of tax, and whose webhooks never arrive: coming back has to be enough."""
    with stripe.FakeStripe(tax_percent=20) as running:
        yield running


@pytest.fixture(scope="module")
def site(till, places):
    """An install that sells through it."""
    keys = {
        "STRIPE_SECRET_KEY": till.api_key,
        "STRIPE_WEBHOOK_SECRET": till.webhook_secret,
        "STRIPE_API_BASE": till.url,
    }
    with instance.running(places(), **keys) as running:
        yield running


def buy(who, name: str, button: str) -> None:
    """Press a button of ours, and then one of the gateway's page."""
    who.go("/credits/buy")
    who.page.get_by_role("button", name=name).click()
    expect(who.page.get_by_role("heading", name="Fake Stripe checkout")).to_be_visible()
    who.page.get_by_role("button", name=button).click()


def test_a_pack_costs_before_tax_what_its_button_said(desk, till):
    who = desk()
    buy(who, "Buy 200 credits for $8", "Pay")
    expect(who.page.get_by_text("200 credits were added.")).to_be_visible()
    who.has_credits(200 + DAILY)
    assert till.objects("payment_intent")[-1]["amount_received"] == 960
    who.page.get_by_role("link", name="Receipt", exact=True).click()
    expect(who.page.get_by_role("row", name="Before tax $8")).to_be_visible()


def test_leaving_without_paying_and_going_back(desk):
    who = desk()
    who.go("/credits/buy")
    who.page.get_by_role("button", name="Buy 200 credits for $8").click()
    who.page.get_by_role("link", name="Back to the shop").click()
    expect(who.page.get_by_text("You left the checkout before paying. Nothing was charged.")).to_be_visible()
    who.page.get_by_role("link", name="Back to the checkout").click()
    who.page.get_by_role("button", name="Pay").click()
    expect(who.page.get_by_text("200 credits were added.")).to_be_visible()


def test_a_plan_its_card_a_dearer_one_and_its_end(desk):
    who = desk()
    buy(who, "Subscribe to Studio for $14 a month", "Pay")
    expect(who.page.get_by_text("400 credits were added. The plan renews each month.")).to_be_visible()
    who.go("/credits/plan")
    who.page.get_by_role("button", name="Card and invoices").click()
    expect(who.page.get_by_role("heading", name="Fake Stripe portal")).to_be_visible()
    who.page.get_by_role("link", name="Back to the shop").click()
    who.page.get_by_role("button", name="Switch for $42 a month").click()
    expect(who.page.get_by_text("The plan is Team.")).to_be_visible()
    who.has_credits(1500 + DAILY)
    who.page.get_by_role("button", name="Cancel the plan").click()
    expect(who.page.get_by_text("Team ends with its month.")).to_be_visible()
