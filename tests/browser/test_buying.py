"""Buying in a real browser, on an install that sells through the test checkout: a pack, a failure, a plan, every page clean."""

import re

import pytest
from playwright.sync_api import expect

from tests import instance
from tests.browser import looks
from tests.browser.conftest import DAILY

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(places):
    """An install with no key and no gateway: the sandbox draws, and the test checkout sells."""
    with instance.running(places()) as running:
        yield running


def clean(who, path: str = "") -> None:
    """See that a page, or the one that is open, is fit for everybody."""
    if path:
        who.go(path)
    assert looks.wrong(who.page) == [], path or who.page.url


def buy(who, name: str, button: str) -> None:
    """Go from the studio's page for credits through the checkout, and press one of its buttons."""
    who.go("/credits")
    who.page.get_by_role("link", name="Buy credits").first.click()
    who.page.get_by_role("button", name=name).click()
    who.page.wait_for_url("**/test-checkout/*")
    expect(who.page.get_by_text("This is a test. No money is taken.")).to_be_visible()
    who.page.get_by_role("button", name=button).click()
    who.page.wait_for_url("**/credits/orders/*")


def test_a_pack_is_bought_and_the_statement_leads_to_its_receipt(desk):
    who = desk()
    buy(who, "Buy 200 credits for $8", "Pay $8 in the test")
    expect(who.page.get_by_text("200 credits were added.")).to_be_visible()
    who.has_credits(200 + DAILY)
    clean(who)
    clean(who, "/credits")
    who.page.get_by_role("link", name="200 credits, Test card").click()
    expect(who.page.get_by_role("heading", name=re.compile("Receipt"))).to_be_visible()
    expect(who.page.get_by_role("row", name="Before tax $8")).to_be_visible()
    clean(who)
    clean(who, "/credits/receipts")
    with who.page.expect_download() as file:
        who.page.get_by_role("link", name="CSV").click()
    assert b"200 credits,200,8.00" in file.value.path().read_bytes()


def test_a_payment_that_fails_and_one_that_arrives_later(desk):
    who = desk()
    buy(who, "Buy 200 credits for $8", "Let the payment fail")
    expect(who.page.get_by_text("The payment did not go through. Nothing was charged.")).to_be_visible()
    who.has_credits(DAILY)
    clean(who)
    buy(who, "Buy 1,000 credits for $35", "Let it arrive in 20 seconds")
    expect(who.page.get_by_text("Waiting for the payment.")).to_be_visible()
    expect(who.page.get_by_text("1,000 credits were added.")).to_be_visible(timeout=60_000)  # by itself
    who.has_credits(1000 + DAILY)


def test_a_plan_is_bought_canceled_and_goes_on(desk):
    who = desk()
    buy(who, "Subscribe to Studio for $14 a month", "Pay $14 in the test")
    who.has_credits(400 + DAILY)
    clean(who, "/credits/plan")
    who.page.get_by_role("button", name="Cancel the plan").click()
    expect(who.page.get_by_text("Studio ends with its month.")).to_be_visible()
    clean(who)
    who.page.get_by_role("button", name="Keep the plan").click()
    expect(who.page.get_by_text("Studio goes on.")).to_be_visible()
    expect(who.page.get_by_text("It renews on")).to_be_visible()
    clean(who, "/credits/buy")


def test_the_checkout_and_the_price_list_are_fit_for_everybody(desk):
    who = desk()
    for path in ("/credits", "/credits/buy", "/credits/plan", "/credits/receipts", "/pricing"):
        clean(who, path)
    who.go("/credits/buy")
    who.page.get_by_role("button", name="Buy 200 credits for $8").click()
    who.page.wait_for_url("**/test-checkout/*")
    clean(who)
    who.page.get_by_role("link", name="Leave without paying").click()
    expect(who.page.get_by_text("You left the checkout before paying.")).to_be_visible()
    clean(who)


def test_too_few_credits_lead_to_buying_and_the_prompt_is_kept(desk):
    who = desk()
    who.go("/studio")
    who.write("A lighthouse in the fog")
    who.choose(quality="high", count=4)
    notice = who.page.locator("#shortfall")
    expect(notice).to_contain_text("This needs 64 credits. You have 4.")
    notice.get_by_role("link", name="Buy credits").click()
    who.page.wait_for_url("**/credits/buy")
    who.go("/studio")
    expect(who.page.get_by_role("textbox", name="Prompt")).to_have_value("A lighthouse in the fog")
