"""Buying: one order for one press, at the price that was shown, and only what can be sold."""

import pytest

from gesso.billing import fulfilment, orders, registry
from gesso.billing.models import Order
from gesso.core import ids
from tests import world
from tests.billing import shop
from tests.billing.till import Till

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer():
    return world.person()


def buy(who, kind="pack", item="pack-200", *, order_id=None, gateway=""):
    return orders.buy(who.workspace, who.user, kind, item, order_id=order_id or ids.uuid7(), gateway=gateway)


def test_the_same_press_twice_is_one_order_and_one_checkout(buyer):
    number = ids.uuid7()
    first, second = buy(buyer, order_id=number), buy(buyer, order_id=number)
    assert (first.id, first.checkout_url) == (second.id, second.checkout_url)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(("kind", "item"), [("pack", "pack-1000"), ("plan", "studio")])
def test_an_id_is_for_one_thing(buyer, kind, item):
    number = ids.uuid7()
    buy(buyer, order_id=number)
    with pytest.raises(orders.OrderTaken):
        buy(buyer, kind, item, order_id=number)
    with pytest.raises(orders.OrderTaken):
        buy(world.person(), order_id=number)


def test_an_id_is_for_one_gateway(buyer, monkeypatch):
    number = ids.uuid7()
    buy(buyer, order_id=number)
    tills = {"test": registry.test_gateway(), "stripe": Till()}
    monkeypatch.setattr(registry, "configured", lambda: tills)
    with pytest.raises(orders.OrderTaken):
        buy(buyer, order_id=number, gateway="stripe")


def test_a_plan_checkout_that_waits_is_not_led_to_once_there_is_a_plan(buyer):
    waits, paid = shop.order(buyer, "plan"), shop.order(buyer, "plan")
    fulfilment.apply("test", [shop.paid(paid)])
    with pytest.raises(orders.HasPlan):
        buy(buyer, "plan", "studio", order_id=waits.id)
    assert buy(buyer, "plan", "studio", order_id=paid.id).state == "paid"


def test_a_gateway_with_a_list_of_its_own_sells_what_the_catalogue_names_there(buyer, monkeypatch):
    till = Till()
    till.lists_products = True
    monkeypatch.setattr(registry, "configured", lambda: {"stripe": till})
    with pytest.raises(orders.NotForSale):
        buy(buyer)
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("kind", "item"), [("pack", ""), ("pack", "studio"), ("plan", "pack-200"), ("pack", "x" * 500)]
)
def test_what_the_catalogue_does_not_have_is_not_for_sale(buyer, kind, item):
    with pytest.raises(orders.NotForSale):
        buy(buyer, kind, item)
