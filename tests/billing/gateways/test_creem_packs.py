"""Packs through Creem, whole journeys over HTTP: order, the store's page, webhooks, credits."""

import pytest

from gesso.billing import orders, subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Customer, Mismatch, Order, Payment
from gesso.credits import ledger
from tests import world
from tests.billing.gateways.creem_install import install, open_install
from tests.fakes import creem_months

__all__ = ["install", "open_install"]
pytestmark = pytest.mark.django_db


def paid(order):
    return Payment.objects.get(order=order)


def spend(install, amount):
    hold = ledger.hold(install.buyer.workspace.id, amount=amount, reference="work")
    ledger.settle(hold.id, captured=amount)


def test_the_first_pack(install):
    order = install.order()
    assert order.checkout_url.startswith(f"{install.store.url}/pay/ch_")
    answer = install.press(order, "pay")
    assert answer.headers["location"].startswith(f"http://127.0.0.1:8000/credits/orders/{order.id}?checkout_id=ch_")
    assert install.hear() == [200]
    assert install.balance() == (200, 0)
    row = paid(order)
    assert (row.gateway, row.amount, row.currency, row.live, row.reason) == ("creem", 800, "usd", False, "pack")
    assert row.external_id.startswith("tran_")
    assert Customer.objects.get(gateway="creem").external_id.startswith("cust_")
    assert Order.objects.get(id=order.id).state == "paid"
    assert not Mismatch.objects.exists()
    assert install.books_hold()


def test_what_is_sent_to_creem(install):
    order = install.order()
    ((method, path, asked),) = [call for call in install.store.server.journal if call[0] == "POST"]
    assert (method, path) == ("POST", "/v1/checkouts")
    assert asked == {
        "product_id": "prod_pack-200", "request_id": str(order.id), "customer": {"email": install.buyer.user.email},
        "success_url": f"http://127.0.0.1:8000/credits/orders/{order.id}",
        "metadata": {"order": str(order.id), "item": "pack-200"},
    }  # fmt: skip


def test_who_bought_before_is_the_same_customer(install):
    install.bought()
    order = install.order()
    asked = install.store.server.journal[-1][2]
    assert asked["customer"] == {"id": install.store.shop.customer(install.buyer.user.email)}
    install.press(order, "pay")
    install.hear()
    assert install.balance() == (400, 0)


def test_one_address_pays_for_several_workspaces(install):
    mine, theirs = install.buyer, world.person()
    team = world.Person(mine.user, theirs.workspace)
    for who in (mine, team, mine, team):
        install.press(install.order(who=who), "pay")
        install.hear()
    assert len(install.store.shop.customers) == 1
    assert [world.available(who) for who in (mine, team)] == [400, 400]
    assert not Mismatch.objects.exists()


def test_coming_back_is_enough_without_any_webhook(install):
    order = install.order()
    install.press(order, "pay")
    assert orders.look_again(order).state == "paid"
    assert install.balance() == (200, 0)
    install.hear(copies=3)
    assert install.balance() == (200, 0)


def test_money_that_is_on_its_way_is_waited_for(install):
    order = install.order()
    install.press(order, "delay")
    assert orders.look_again(order).state == "open"
    assert install.balance() == (0, 0)
    install.store.shop.settle(order.checkout_id)
    install.hear()
    assert install.balance() == (200, 0)


def test_money_that_fell_through_fails_the_order(install):
    order = install.order()
    install.press(order, "delay")
    install.store.shop.decline(order.checkout_id)
    assert orders.look_again(order).state == "failed"
    assert install.balance() == (0, 0)


def test_a_declined_card_may_be_followed_by_another(install):
    order = install.order()
    assert "declined" in install.press(order, "fail").text
    assert orders.look_again(order).state == "open"
    assert install.balance() == (0, 0)
    install.press(order, "pay")
    install.hear()
    assert install.balance() == (200, 0)
    assert Payment.objects.count() == 1


def test_a_checkout_that_lay_too_long_ends_its_order(install):
    order = install.order()
    install.store.shop.expire(order.checkout_id)
    assert orders.look_again(order).state == "expired"


def test_a_refund_after_spending_is_owed(install):
    order = install.bought()
    spend(install, 150)
    subscriptions.refund(paid(order), None, "key-1")
    assert install.balance() == (0, 150)
    assert paid(order).refunded == 800
    subscriptions.refund(paid(order), None, "key-1")
    install.hear(copies=2)
    assert install.balance() == (0, 150)
    assert sum(path == "/v1/refunds" for _, path, _ in install.store.server.journal) == 1
    install.bought()
    assert install.balance() == (50, 0)
    assert install.books_hold()


def test_a_part_is_not_refunded_from_here(install):
    order = install.bought()
    with pytest.raises(protocol.Refused, match="only as a whole"):
        subscriptions.refund(paid(order), 400, "key-1")
    assert install.balance() == (200, 0)
    subscriptions.refund(paid(order), 800, "key-2")
    assert install.balance() == (0, 0)


def test_a_part_that_was_refunded_in_creems_dashboard_takes_its_measure(install):
    order = install.bought()
    transaction = install.store.shop.transactions[paid(order).external_id]
    install.store.shop.refund(transaction["id"], transaction["amount_paid"] // 4)
    install.hear()
    assert (paid(order).refunded, install.balance()) == (200, (150, 0))


@pytest.mark.parametrize("word", ["chargeback", "chargedBack"])
def test_a_chargeback_takes_everything(install, word):
    order = install.bought()
    spend(install, 50)
    install.store.shop.dispute(paid(order).external_id, word)
    install.hear()
    assert (paid(order).dispute, paid(order).refunded, install.balance()) == ("open", 0, (0, 50))
    install.store.shop.transactions[paid(order).external_id] |= {"status": "paid", "refunded_amount": None}
    install.look("payment", paid(order).external_id)
    install.store.outbox.attempt(install.store.outbox.all[-1], install.post)
    orders.look_again(order)
    assert (paid(order).dispute, install.balance()) == ("", (150, 0))
    assert install.books_hold()


def test_another_price_at_creem_is_not_sold(install):
    install.store.shop.products["prod_pack-200"]["price"] = 900
    with pytest.raises(protocol.Refused, match="pack-200 costs 800 usd here, and 900 usd at Creem"):
        install.order()


def test_a_row_without_a_product_is_not_sold(install):
    sale = protocol.Sale(
        order="o", kind="pack", item="pack-200", name="", amount=800, currency="usd", email="a@example.com", customer="",
        product="", success_url="http://x.example", cancel_url="",
    )  # fmt: skip
    with pytest.raises(protocol.Refused, match="pack pack-200 names no creem_product"):
        install.till.open_checkout(sale)


def test_a_price_that_was_changed_behind_the_page_moves_nothing(install):
    order = install.order()
    install.store.shop.products["prod_pack-200"]["price"] = 100
    install.press(order, "pay")
    install.hear()
    assert install.balance() == (0, 0)
    assert Mismatch.objects.get().code == "other_amount"


def test_a_plan_cannot_be_had_for_a_pack(install):
    order = install.order()
    install.store.shop.checkouts[order.checkout_id]["product"] = "prod_pack-1000"
    install.press(order, "pay")
    install.hear()
    assert install.balance() == (0, 0)
    assert Mismatch.objects.get().code == "other_item"


def test_the_plan_module_of_the_fake_refuses_what_creem_refuses(install):
    install.bought("plan")
    plan = install.plan().external_id
    creem_months.cancel(install.store.shop, plan, "immediate")
    with pytest.raises(Exception, match="canceled already"):
        creem_months.cancel(install.store.shop, plan, "scheduled")
