"""Coming back from the gateway: every state of an order in words, and how often the gateway is asked."""

import datetime

import pytest

from gesso.accounts import teams
from gesso.accounts.models import Membership
from gesso.billing import registry
from gesso.billing.gateways import protocol, testing
from gesso.billing.models import Order, Payment
from gesso.core import clock, ids
from gesso.web.money import order
from tests import world
from tests.web.money import counter as shop

pytestmark = pytest.mark.django_db


def test_the_test_checkout_says_that_it_is_one(counter):
    page = counter.get(counter.buy("pack-200")["Location"])
    for words in ("This is a test. No money is taken.", "200 credits", "$8", "Never enter a card here."):
        assert words in page
    assert [form["button"] for form in shop.forms(page) if "button" in form] == ["delay"]  # the last of three
    assert page.count('name="button"') == 3


def test_paid_is_a_receipt_and_credits(counter):
    page = counter.get(counter.pay("pack-200"))
    payment = Payment.objects.get()
    assert "200 credits were added." in page and f'href="/credits/receipts/{payment.id}"' in page
    assert 'href="/studio">Back to the studio' in page and "data-poll" not in page
    assert world.available(counter.who) == 200
    assert "200 credits, Test card</a>" in counter.get("/credits")


def test_a_plan_says_that_it_renews(counter):
    assert "400 credits were added. The plan renews each month." in counter.get(counter.pay("studio"))


def test_a_payment_that_failed(counter):
    back = counter.pay("pack-200", "fail")
    page = counter.get(back)
    assert "The payment did not go through. Nothing was charged." in page and "Choose again" in page
    assert world.available(counter.who) == 0
    assert "This checkout is over." in counter.get(f"/test-checkout/{back[-36:]}")


def test_a_payment_on_its_way_is_waited_for(counter, monkeypatch):
    monkeypatch.setattr(testing, "LATER", datetime.timedelta(days=1))
    back = counter.pay("pack-200", "delay")
    page = counter.get(back)
    assert "your payment is on its way; credits appear here by themselves" in page
    assert f'data-renew="{back}/state" data-poll' in page and f'<a class="btn" href="{back}">Look again</a>' in page
    number = back[-36:]
    shelf = shop.Shelf()
    paid = shelf.get(f"tp_{number}_0000")
    shelf.put(f"tp_{number}_0000", paid | {"paid_at": clock.now().isoformat()})
    part = shop.said(counter.browser.get(f"{back}/state", headers={"HX-Request": "true"}))
    assert f'id="order-{number}"' in part and "200 credits were added." in part
    assert "data-poll" not in part and "<html" not in part


def test_leaving_the_checkout_is_said_and_it_stays_open(counter):
    checkout = counter.buy("pack-200")["Location"]
    page = counter.get(f"/credits/orders/{checkout[-36:]}?canceled=1")
    assert "You left the checkout before paying. Nothing was charged." in page
    assert f'href="{checkout}">Back to the checkout' in page and "data-poll" not in page


def test_a_checkout_that_expired(counter, till):
    number = counter.form("pack-200")["order"]
    counter.browser.post("/credits/buy", counter.form("pack-200") | {"order": number})
    shelf = shop.Shelf()
    shelf.put(f"tc_{number}", shelf.get(f"tc_{number}") | {"state": "expired"})
    assert "has ended. Nothing was charged." in counter.get(f"/credits/orders/{number}")
    assert Order.objects.get().state == "expired"


def test_a_gateway_that_does_not_answer_is_asked_again(counter, till):
    counter.buy("pack-200")
    path = f"/credits/orders/{Order.objects.get().id}"
    till.trouble = protocol.Unavailable("down")
    page = counter.get(path)
    assert "Stripe does not answer just now. This page asks again by itself." in page and "data-poll" in page
    till.trouble = protocol.Refused("no such thing at acct_1")
    page = counter.get(path)
    assert "ask whoever runs this install" in page and "acct_1" not in page


def test_the_gateway_is_asked_once_in_a_while(counter, till, monkeypatch):
    monkeypatch.setattr(order, "ASK_SECONDS", 60.0)
    counter.buy("pack-200")
    path = f"/credits/orders/{Order.objects.get().id}"
    for _ in range(3):
        counter.get(path)
    assert till.asked == ["open", "look"]
    now = order.time.monotonic()
    monkeypatch.setattr(order.time, "monotonic", lambda: now + 60)
    counter.get(path)
    assert till.asked == ["open", "look", "look"]
    assert len(order._asked) == 1  # nothing gathers


def test_an_order_of_another_workspace_of_ones_own_leads_there(counter):
    back = counter.pay("pack-200")
    team = teams.create(counter.who.user, "Kiln and Linen").workspace
    counter.browser.post("/team/switch", {"workspace": str(team.id)})
    page = counter.get(back)  # as one comes back who switched while paying
    assert "200 credits were added." in page and f"This is for {counter.who.workspace.name}." in page
    assert "/credits/receipts/" not in page
    home = {"workspace": str(counter.who.workspace.id), "next": "/credits"}
    assert counter.browser.post("/team/switch", home)["Location"] == "/credits"
    assert "/credits/receipts/" in counter.get(back)


def test_what_is_anothers_is_nothing_here(counter):
    theirs = shop.stand()
    checkout = theirs.buy("pack-200")["Location"]
    number = checkout[-36:]
    for path in (checkout, f"/credits/orders/{number}", f"/credits/orders/{number}/state"):
        counter.get(path, 404)
    assert counter.browser.post(checkout, {"button": "pay"}).status_code == 404
    for path in (f"/test-checkout/{ids.uuid7()}", f"/credits/orders/{ids.uuid7()}", "/credits/orders/x"):
        counter.get(path, 404)
    assert Order.objects.get().state == "open"


def test_the_test_checkout_is_nowhere_else(counter, till):
    counter.buy("pack-200")
    counter.get(f"/test-checkout/{Order.objects.get().id}", 404)


def test_the_test_checkout_is_for_those_who_may_buy(counter):
    checkout = counter.buy("pack-200")["Location"]
    assert counter.browser.post(checkout, {"button": "steal"}).status_code == 400
    Membership.objects.update(role=Membership.Role.VIEWER)
    assert "Only owners and admins" in counter.get(checkout)
    assert counter.browser.post(checkout, {"button": "pay"}).status_code == 403
    assert registry.test_gateway().page(checkout[-36:])["state"] == "open"
