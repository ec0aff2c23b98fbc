"""Money on a whole running Gesso, through a gateway over HTTP: hosted page, webhooks, the statement, and what staff would see."""

import re

import pytest
from playwright.sync_api import expect

from tests import instance
from tests.browser.conftest import DAILY
from tests.fakes.stripe import FakeStripe

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stripe():
    with FakeStripe() as running:
        yield running


@pytest.fixture(scope="module")
def site(places, stripe):
    words = {
        "STRIPE_SECRET_KEY": stripe.api_key, "STRIPE_WEBHOOK_SECRET": stripe.webhook_secret,
        "STRIPE_API_BASE": stripe.url,
    }  # fmt: skip
    with instance.running(places(), **words) as running:
        stripe.webhooks.url = f"{running.url}/webhooks/stripe"
        stripe.webhooks.retries, stripe.webhooks.duplicates = 3, 1
        yield running
        stripe.webhooks.url = ""


@pytest.fixture(autouse=True)
def books(site):
    """See that everything adds up after each test."""
    yield
    found = site.run("doctor")
    assert found.returncode == 0, found.stdout


def buy(who, name: str, button: str = "Pay") -> None:
    """Press a button on the page for buying, and one on the gateway's page."""
    who.go("/credits/buy")
    who.page.get_by_role("button", name=name).click()
    who.page.get_by_role("heading", name="Fake Stripe checkout").wait_for()
    who.page.get_by_role("button", name=button, exact=True).click()


def payment(stripe, kind: str) -> str:
    """Return the newest payment's id: of a pack its payment intent, of a plan its invoice."""
    return stripe.objects(kind)[-1]["id"]


def spend(who, credits_: int) -> None:
    """Generate one image for so many credits."""
    who.go("/studio")
    card = who.generate(f"A jug of {credits_}", quality={4: "medium", 16: "high"}[credits_])
    who.delivered(card, 1)


def until_credits(who, amount: int) -> None:
    """Wait until webhooks have brought the balance to this."""
    who.go("/credits")
    who.has_credits(amount)


def until_said(who, path: str, words: str) -> None:
    """Open a page until it says this: webhooks are handled a moment later."""
    instance.until(lambda: who.go(path).get_by_text(re.compile(words, re.IGNORECASE)).count(), 60, words)


def test_the_first_pack_the_credits_its_images_and_a_refund_of_them_all(desk, stripe):
    who = desk()
    buy(who, "Buy 200 credits for $8")
    who.page.wait_for_url("**/credits/orders/*")
    expect(who.page.get_by_text("200 credits were added.")).to_be_visible()
    spend(who, 16)
    who.has_credits(200 + DAILY - 16)
    stripe.refund(payment(stripe, "payment_intent"), 400)
    until_credits(who, 200 + DAILY - 16 - 100)
    stripe.refund(payment(stripe, "payment_intent"))
    until_said(who, "/credits", "12 credits owed.")
    expect(who.page.locator("#statement")).to_contain_text("refunded")
    buy(who, "Buy 200 credits for $8")
    expect(who.page.get_by_text("200 credits were added.")).to_be_visible()
    until_credits(who, 200 - 12)


def test_a_declined_card_and_a_payment_that_arrives_later(desk, stripe):
    who = desk()
    buy(who, "Buy 200 credits for $8", "Fail")
    expect(who.page.get_by_role("status")).not_to_be_empty()
    who.go("/credits")
    who.has_credits(DAILY)
    buy(who, "Buy 200 credits for $8", "Delay")
    who.page.wait_for_url("**/credits/orders/*")
    expect(who.page.get_by_text("Waiting for the payment.")).to_be_visible()
    stripe.settle(payment(stripe, "checkout.session"))
    expect(who.page.get_by_text("200 credits were added.")).to_be_visible()
    who.has_credits(200 + DAILY)


def test_a_plan_through_three_months_and_to_its_end(desk, stripe):
    who = desk()
    buy(who, "Subscribe to Studio for $14 a month")
    expect(who.page.get_by_text(re.compile("400 credits were added"))).to_be_visible()
    plan = payment(stripe, "subscription")
    for month in (2, 3):
        stripe.renew(plan)
        until_credits(who, 400 * month + DAILY)
    invoice = stripe.fail_renewal(plan)["id"]
    until_said(who, "/credits/plan", "last payment did not arrive")
    stripe.recover(invoice)
    until_credits(who, 1600 + DAILY)
    who.go("/credits/plan")
    who.page.get_by_role("button", name="Cancel the plan").click()
    expect(who.page.get_by_text("Studio ends with its month.")).to_be_visible()
    stripe.renew(plan)
    who.go("/credits/plan")
    expect(who.page.get_by_role("button", name="Cancel the plan")).to_have_count(0)
    assert stripe.object(plan)["status"] == "canceled"
    who.go("/credits/receipts")
    expect(who.page.get_by_role("row", name=re.compile(r"Studio"))).to_have_count(4)


def test_a_dispute_that_is_lost_takes_everything(desk, stripe):
    who = desk()
    buy(who, "Buy 200 credits for $8")
    expect(who.page.get_by_text("200 credits were added.")).to_be_visible()
    dispute = stripe.dispute(payment(stripe, "payment_intent"))["id"]
    until_credits(who, DAILY)
    stripe.decide(dispute, "lost")
    who.go("/credits/receipts")
    who.page.get_by_role("link", name="200 credits").click()
    who.page.get_by_role("heading", name=re.compile("Receipt")).wait_for()
    until_said(who, who.page.url.removeprefix(who.site.url), "Dispute lost")
    until_credits(who, DAILY)
