"""Buying: prices on the buttons, one press one order, and every refusal a sentence with nothing charged."""

import re

import pytest

from gesso.accounts import teams
from gesso.accounts.models import Membership
from gesso.billing import orders
from gesso.billing.gateways import protocol
from gesso.billing.models import Order, Payment
from gesso.core import catalog, ids
from gesso.web import wording
from tests import world
from tests.web.money import counter as shop

pytestmark = pytest.mark.django_db
EVERYTHING = [row.id for row in (*catalog.current().packs, *catalog.current().plans)]


def test_the_page_shows_what_the_catalogue_sells(counter):
    page = counter.get("/credits/buy")
    for words in ("200 credits", "$8", "50 Medium or 12 High images", "$35", "Studio", "$14", "400 credits a month",
                  "8 generations at once", "Up to 3 members", "Prices are without tax."):  # fmt: skip
        assert words in page
    assert [form["item"] for form in shop.forms(page) if "item" in form] == EVERYTHING


@pytest.mark.parametrize("item", EVERYTHING)
def test_the_price_on_the_button_is_the_one_of_the_receipt(counter, item):
    button = re.search(rf'value="{item}">.*?<button[^>]*>(.*?)</button>', counter.get("/credits/buy"))[1]
    counter.get(counter.pay(item))
    payment = Payment.objects.get()
    price = re.search(r"for ([^\s<]+)", button)[1]
    receipt = counter.get(f"/credits/receipts/{payment.id}")
    assert f'<tr class="total"><th scope="row">Before tax</th><td>{price}</td></tr>' in receipt
    assert wording.money(payment.amount, payment.currency) == price


def test_a_press_leads_to_the_checkout_and_a_second_one_to_the_same(counter):
    form = counter.form("pack-200")
    first, second = (counter.browser.post("/credits/buy", form) for _ in range(2))
    made = Order.objects.get()
    assert (first.status_code, first["Location"]) == (303, f"/test-checkout/{made.id}")
    assert second["Location"] == first["Location"]
    assert str(made.id) == form["order"] and made.id.version == 7


def test_each_page_has_orders_of_its_own(counter):
    page = counter.get("/credits/buy")
    numbers = [form["order"] for form in shop.forms(page) if "order" in form]
    assert len(set(numbers)) == len(EVERYTHING)
    assert not set(numbers) & {form.get("order") for form in shop.forms(counter.get("/credits/buy"))}


def test_an_order_that_is_over_leads_to_its_own_page(counter):
    form = counter.form("pack-200")
    back = counter.browser.post(counter.browser.post("/credits/buy", form)["Location"], {"button": "pay"})["Location"]
    counter.get(back)
    assert counter.browser.post("/credits/buy", form)["Location"] == back


@pytest.mark.parametrize("role", [Membership.Role.MEMBER, Membership.Role.VIEWER])
def test_who_may_not_buy_reads_why_and_orders_nothing(counter, role):
    form = counter.form("pack-200")
    Membership.objects.update(role=role)
    page = counter.get("/credits/buy")
    assert "Only owners and admins of this workspace can buy." in page and "$8" in page
    assert all("item" not in form for form in shop.forms(page))
    refused = shop.said(counter.browser.post("/credits/buy", form), 403)
    assert shop.code(refused) == "not_allowed" and "Nothing was charged." in refused
    assert not Order.objects.exists()


def test_a_form_of_another_workspace_orders_nothing_here(counter):
    form = counter.form("pack-200")
    theirs = teams.create(counter.who.user, "Kiln and Linen").workspace
    assert form["workspace"] == str(counter.who.workspace.id)
    refused = shop.said(counter.browser.post("/credits/buy", form | {"workspace": str(theirs.id)}), 409)
    assert shop.code(refused) == "other_workspace"
    counter.browser.post("/team/switch", {"workspace": str(theirs.id)})
    refused = shop.said(counter.browser.post("/credits/buy", form), 409)
    assert shop.code(refused) == "other_workspace" and "You went to Kiln and Linen meanwhile" in refused
    assert not Order.objects.exists()


def test_nothing_is_sold_where_there_is_no_gateway(counter, monkeypatch):
    form = counter.form("pack-200")
    with shop.tills(monkeypatch):
        page = counter.get("/credits/buy")
        assert "Credits are not sold here" in page and "given by whoever runs it" in page
        assert not re.search(
            "Buy credits</a>|Receipts</a>", counter.get("/credits")
        ) and "/credits/buy" not in counter.get("/studio")
        assert shop.code(shop.said(counter.browser.post("/credits/buy", form), 409)) == "not_for_sale"
        assert counter.browser.get("/pricing").content.decode().count("/credits/buy") == 0
    assert not Order.objects.exists()


def test_a_pack_that_is_not_sold_any_more(counter):
    form = counter.form("pack-200") | {"item": "pack-7"}
    assert shop.code(shop.said(counter.browser.post("/credits/buy", form), 409)) == "not_for_sale"


def test_a_second_plan_is_a_change(counter):
    form = counter.form("team")
    counter.get(counter.pay("studio"))
    page = shop.said(counter.browser.post("/credits/buy", form), 409)
    assert shop.code(page) == "has_plan" and 'href="/credits/plan">Change the plan' in page
    assert "Your plan" in page and "Change to Team" in page
    assert Order.objects.count() == 1


def test_another_price_than_the_one_that_was_shown_is_not_ordered(counter):
    form = counter.form("pack-200")
    page = shop.said(counter.browser.post("/credits/buy", form | {"amount": "700"}), 409)
    assert shop.code(page) == "price_changed" and "The new prices are below." in page
    assert not Order.objects.exists()


def test_an_id_that_belongs_to_something_else(counter):
    form = counter.form("pack-200")
    counter.browser.post("/credits/buy", form)
    other = form | {"item": "pack-1000", "amount": "3500"}
    assert shop.code(shop.said(counter.browser.post("/credits/buy", other), 409)) == "order_taken"
    stranger = world.person()
    foreign = orders.buy(stranger.workspace, stranger.user, "pack", "pack-200", order_id=ids.uuid7())
    taken = shop.said(counter.browser.post("/credits/buy", form | {"order": str(foreign.id)}), 409)
    assert shop.code(taken) == "order_taken"
    assert str(foreign.id) not in taken


@pytest.mark.parametrize(
    "change", [{"order": "x"}, {"order": ""}, {"kind": "car"}, {"amount": "-8"}, {"amount": "8.00"}, {"amount": "٨"}]
)
def test_a_form_that_no_page_made(counter, change):
    form = counter.form("pack-200") | change
    assert counter.browser.post("/credits/buy", form).status_code == 400
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (protocol.Unavailable("down"), 503, "gateway_unavailable"),
        (protocol.Refused("a secret"), 502, "gateway_refused"),
    ],
)
def test_a_gateway_that_fails_charges_nothing_and_the_same_order_is_tried_again(counter, till, trouble, status, code):
    form, till.trouble = counter.form("pack-200"), trouble
    page = shop.said(counter.browser.post("/credits/buy", form), status)
    assert shop.code(page) == code and "Stripe" in page and "Nothing was charged." in page and "a secret" not in page
    again = counter.form("pack-200", page)
    assert again["order"] == form["order"]
    assert "Not begun" in counter.get(f"/credits/orders/{form['order']}")
    till.trouble = None
    assert (
        counter.browser.post("/credits/buy", again)["Location"] == f"https://pay.example/test-checkout/{form['order']}"
    )
    assert Order.objects.count() == 1


def test_forms_may_lead_to_the_gateways_pages_and_nowhere_else(counter, till):
    policy = counter.browser.get("/credits/buy")["Content-Security-Policy"]
    assert "form-action 'self' https://pay.example;" in policy


def test_of_two_gateways_one_is_chosen_and_the_default_comes_first(counter, monkeypatch):
    first, second = shop.Scripted(), shop.Scripted()
    second.name = "creem"
    with shop.tills(monkeypatch, first, second):
        page = counter.get("/credits/buy")
        assert 'href="/credits/buy?gateway=stripe" aria-current="true">Stripe' in page
        assert counter.form("pack-200", page)["gateway"] == "stripe"
        chosen = counter.form("pack-200", counter.get("/credits/buy?gateway=creem"))
        assert chosen["gateway"] == "creem"
        counter.browser.post("/credits/buy", chosen)
        assert Order.objects.get().gateway == "creem" and (first.asked, second.asked) == ([], ["open"])
        # an order stays with the gateway that it was made for
        crossed = shop.said(counter.browser.post("/credits/buy", chosen | {"gateway": "stripe"}), 409)
        assert shop.code(crossed) == "order_taken" and first.asked == []
        assert counter.form("pack-200", counter.get("/credits/buy?gateway=nobody"))["gateway"] == "stripe"


def test_a_visitor_signs_in_first():
    assert shop.Client().get("/credits/buy")["Location"].startswith("/accounts/login/")
