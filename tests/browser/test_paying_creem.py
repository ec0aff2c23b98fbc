"""The same with Creem: its page, its webhooks, its portal, and its word about every prompt."""

import threading
import time

import pytest
from playwright.sync_api import expect

from tests import instance
from tests.browser.conftest import DAILY
from tests.fakes import creem_demo, creem_months
from tests.fakes.creem import FakeCreem

pytestmark = pytest.mark.browser


class Postman(creem_demo.Postman):
    """Delivers as by hand, until it is told to stop."""

    def __init__(self, store, url):
        super().__init__(store, url)
        self.over = threading.Event()

    def run(self):
        """Go round, faster than by hand."""
        while not self.over.wait(0.1):
            self.go_round(time.monotonic())


@pytest.fixture(scope="module")
def creem():
    with FakeCreem() as running:
        yield running


@pytest.fixture(scope="module")
def site(places, creem):
    place = places()
    overlay = place / "shop.toml"
    overlay.write_text(creem_demo.sell(creem))
    overlay.chmod(0o644)
    with instance.running(place, GESSO_CATALOG=str(overlay), **creem.environment()) as running:
        postman = Postman(creem, f"{running.url}/webhooks/creem")
        postman.start()
        yield running
        postman.over.set()
        postman.join()


@pytest.fixture(autouse=True)
def books(site):
    """See that everything adds up after the test."""
    yield
    found = site.run("doctor")
    assert found.returncode == 0, found.stdout


def buy(who, name: str, button: str = "Pay") -> None:
    """Press a button on the page for buying, and one on Creem's page."""
    who.go("/credits/buy")
    who.page.get_by_role("button", name=name).click()
    who.page.get_by_role("heading", name="Checkout").wait_for()
    who.page.get_by_role("button", name=button, exact=True).click()


def until_credits(who, amount: int) -> None:
    """Wait until webhooks have brought the balance to this."""
    who.go("/credits")
    who.has_credits(amount)


def test_a_pack_a_plan_and_what_becomes_of_them(desk, creem):
    who = desk()
    buy(who, "Buy 200 credits for $8", "Fail")
    expect(who.page.get_by_role("status")).to_contain_text("declined")
    who.page.get_by_role("button", name="Pay", exact=True).click()
    who.page.wait_for_url("**/credits/orders/*")
    expect(who.page.get_by_text("200 credits were added.")).to_be_visible()
    until_credits(who, 200 + DAILY)
    pack = next(reversed(creem.shop.transactions))

    buy(who, "Studio")
    until_credits(who, 200 + 400 + DAILY)
    plan = next(reversed(creem.shop.subscriptions))
    creem_months.next_period(creem.shop, plan)
    until_credits(who, 200 + 800 + DAILY)
    who.go("/credits/plan")
    who.page.get_by_role("button", name="Card and invoices").click()
    expect(who.page.get_by_role("heading", name="Your subscriptions")).to_be_visible()

    creem.shop.refund(pack)
    until_credits(who, 800 + DAILY)

    who.go("/studio")
    card = who.generate("A duel [creem: deny]", quality="low")
    expect(card).to_contain_text("Blocked")
    who.has_credits(800 + DAILY)
