"""The staff's pages about money, with real rows in them: clean to axe, no sideways scroll, no complaint in the console.

One install sells through the fake Stripe and draws with the fake OpenAI; its books are filled once, by people who buy,
draw and redeem, and by staff who send back. Then every page is looked at in light and dark, wide and on a phone.
"""

import uuid

import pytest
from playwright.sync_api import expect

from tests import instance
from tests.browser import looks
from tests.browser.conftest import invite
from tests.fakes.stripe import FakeStripe

pytestmark = pytest.mark.browser

# What is dear to make and cheap to ask for: then the console warns of it.
BELOW_COST = "[prices]\nhigh = 4\n"
PERSON = "somebody-with-a-rather-long-address@a-studio-with-a-long-name.example.com"
WORD = "SPRING-LETTER-TO-EVERYBODY-WHO-EVER-WROTE-TO-US"

LISTS = (
    "billing/order", "billing/subscription", "billing/payment", "billing/mismatch", "billing/reconciliation",
    "webhooks/webhookevent", "credits/promocode", "credits/creditgrant", "credits/credithold", "credits/creditentry",
    "accounts/user", "accounts/workspace", "generations/generation",
)  # fmt: skip
AXES_OWN = "Applying inline style violates"
TIMES = "times.gpt-image-2=1&times.gpt-image-1.5=1"
MARGIN = (
    "/staff/margin/", "/staff/margin/?period=month&by=price", "/staff/margin/?period=year&by=member",
    "/staff/margin/?period=last", f"/staff/margin/?low=2&medium=4&high=1&credit=0.0001&{TIMES}",
)  # fmt: skip


@pytest.fixture(scope="module")
def stripe():
    with FakeStripe() as running:
        yield running


@pytest.fixture(scope="module")
def site(places, stripe, fake):
    place = places()
    catalogue = place / "catalog.toml"
    catalogue.write_text(BELOW_COST)
    words = {
        "STRIPE_SECRET_KEY": stripe.api_key, "STRIPE_WEBHOOK_SECRET": stripe.webhook_secret,
        "STRIPE_API_BASE": stripe.url, "OPENAI_API_KEY": "sk-fake", "OPENAI_BASE_URL": fake.url,
        "GESSO_CATALOG": str(catalogue),
    }  # fmt: skip
    with instance.running(place, **words) as running:
        stripe.webhooks.url = f"{running.url}/webhooks/stripe"
        stripe.webhooks.retries = 3  # as Stripe does: a connection that was kept may have been closed meanwhile
        yield running
        stripe.webhooks.url = ""


def buy(who, name: str) -> None:
    """Buy through the gateway's page and wait for the credits."""
    who.go("/credits/buy")
    who.page.get_by_role("button", name=name).click()
    who.page.get_by_role("heading", name="Fake Stripe checkout").wait_for()
    who.page.get_by_role("button", name="Pay", exact=True).click()
    expect(who.page.get_by_text("credits were added.")).to_be_visible()


def draw(who) -> None:
    """Have images made at two prices, and one refused."""
    who.go("/studio")
    who.delivered(who.generate("Four jugs", quality="high", count=4), 4)
    who.delivered(who.generate("A jug " + "with a long story " * 20, quality="medium"), 1)
    who.ended(who.generate("Not to be made [fake: user-error]", quality="high"))


def make_code(staff) -> None:
    """Make a promo code by the form."""
    page = staff.go("/staff/credits/promocode/make/")
    for label, words in (("Code:", WORD), ("Credits:", "25"), ("Uses:", "1000"), ("Reason:", "The letter " * 18)):
        page.get_by_label(label).fill(words)
    page.get_by_role("button", name="Make the code").click()
    expect(page.get_by_text(f"The code {WORD} was made.")).to_be_visible()


def redeem(who) -> None:
    page = who.go("/credits/redeem")
    page.get_by_label("Code").fill(WORD)
    page.get_by_role("button", name="Add credits").click()
    expect(page.get_by_text("25 credits added.")).to_be_visible()


def report_of_nobody(staff, stripe) -> None:
    """Let the gateway say of the newest pack that it is for an order we don't have, and wait until staff see it."""
    paid = stripe.objects("payment_intent")[-1]
    stripe.tamper(paid["id"], metadata=paid["metadata"] | {"order": str(uuid.uuid4())})
    stripe.say("payment_intent.succeeded", paid["id"])
    seen = staff.page.locator("#result_list tbody tr")
    stripe.webhooks.wait()
    assert stripe.webhooks.log[-1].status == 202, stripe.webhooks.log
    instance.until(lambda: staff.go("/staff/billing/mismatch/") and seen.count(), 60, "a mismatch")


def fill(who, staff, stripe) -> None:
    """Fill the books."""
    make_code(staff)
    buy(who, "Buy 200 credits for $8")
    draw(who)
    redeem(who)
    buy(who, "Subscribe to Studio for $14 a month")
    buy(who, "Buy 1,000 credits for $35")
    report_of_nobody(staff, stripe)


def refund(staff, look) -> None:
    """Send half of the small pack back, looking at each step."""
    page = staff.go("/staff/billing/payment/?reason__exact=pack")
    page.get_by_role("row").filter(has_text="200 credits").locator("th a").click()
    page.wait_for_url("**/change/**")
    look("payment")
    page.get_by_role("link", name="Refund", exact=True).click()
    look("refund form")
    staff.expect_status(400)
    page.get_by_label("Amount").fill("900")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("can go back.")).to_be_visible()
    look("refund form, refused")
    page.get_by_label("Amount").fill("4.00")
    page.get_by_label("Reason").fill("They came out blue")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("4.00 USD go back through stripe.")).to_be_visible()
    look("refund form, second step")
    page.get_by_role("button", name="Send the money back").click()
    expect(page.get_by_text("4.00 USD sent back.")).to_be_visible()
    look("refunded payment")
    staff.page.get_by_role("link", name="History").click()
    look("history of a payment")


def rows(staff, look) -> None:
    """Look at every list, at an empty one, and at the first row of each."""
    for kind in LISTS:
        page = staff.go(f"/staff/{kind}/")
        look(f"{kind}, list")
        if first := page.locator("#result_list tbody th a").first.get_attribute("href"):
            staff.go(first)
            look(f"{kind}, page")
    staff.go("/staff/billing/payment/?q=nothing-like-it")
    look("empty list")


def forms(staff, look) -> None:
    """Look at the forms for codes and grants, empty and refused."""
    for label, path, link, button in (
        ("make a code", "/staff/credits/promocode/", "Make a code", "Make the code"),
        ("end a code", _first(staff, "/staff/credits/promocode/"), "End it", "End the code"),
        ("grant", _first(staff, "/staff/accounts/workspace/"), "Grant credits", "Grant credits"),
    ):
        page = staff.go(path)
        page.get_by_role("link", name=link, exact=True).click()
        look(f"{label}, form")
        page.get_by_role("button", name=button).click()
        expect(page.locator(".errornote")).to_be_visible()
        look(f"{label}, refused")


def _first(staff, path: str) -> str:
    return staff.go(path).locator("#result_list tbody th a").first.get_attribute("href")


def margin(staff, look) -> None:
    """Look at the first page with its alerts, and at the report and the simulator."""
    page = staff.go("/staff/")
    expect(page.get_by_role("region", name="Prices below cost")).to_be_visible()
    expect(page.get_by_role("region", name="Money to look at")).to_be_visible()
    look("first page")
    for path in MARGIN:
        page = staff.go(path)
        look(path)
    staff.go("/staff/margin/")
    page.get_by_text("The chart as a table").click()
    look("margin, chart as a table")
    page.get_by_label("Worth of a credit").fill("dear")
    page.get_by_role("button", name="Work it out").click()
    expect(page.locator(".errornote")).to_be_visible()
    look("margin, refused")


def files(staff) -> None:
    """Follow the links to the files."""
    for path, link, words in (
        ("/staff/margin/", "This table as CSV", "gpt-image-2"),
        (_first(staff, "/staff/credits/promocode/"), "Uses as CSV", PERSON),
    ):
        page = staff.go(path)
        with page.expect_download() as file:
            page.get_by_role("link", name=link).click()
        assert words in file.value.path().read_text()


def test_every_page_is_fit_for_everybody(desk, site, stripe):
    staff = desk(come_in=False)
    staff.come_in(site.run("user", "add", staff.email, "--staff").stdout.strip())
    who = desk(PERSON, come_in=False)
    who.come_in(invite(site, PERSON))
    fill(who, staff, stripe)
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        heard = len(staff.complaints)
        if wrong := looks.wrong(staff.page):
            found[name] = wrong
        # The admin's forms.css imports another file; axe reads it into a style element of its own, which our policy refuses.
        staff.complaints[heard:] = [said for said in staff.complaints[heard:] if not said.startswith(AXES_OWN)]

    for visit in (refund, rows, forms, margin):
        visit(staff, look)
    files(staff)
    assert found == {}
