"""Packs through Stripe, from the order over its page and its webhooks to credits, and back."""

import pytest

from gesso.billing import orders, subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Customer, Mismatch, Payment
from gesso.credits import ledger
from tests.billing.gateways.stripe_install import install, open_install

__all__ = ["install", "open_install"]

pytestmark = pytest.mark.django_db


def test_a_first_pack(install):
    order = install.order()
    assert order.checkout_url.startswith(install.till.page_origins[0])
    back = install.press(order, "pay")
    assert back.headers["location"].endswith(f"/credits/orders/{order.id}")
    assert set(install.hear()) == {202}
    order.refresh_from_db()
    row = install.payment(order)
    assert (order.state, install.balance()) == ("paid", (200, 0))
    assert (row.amount, row.currency, row.method, row.live) == (800, "usd", "Visa ending 4242", False)
    assert row.external_id.startswith("pi_")
    assert Customer.objects.get(workspace=install.buyer.workspace).external_id.startswith("cus_")
    assert not Mismatch.objects.exists()
    assert install.books_hold()


def test_who_comes_back_has_the_credits_without_any_webhook(install):
    order = install.order()
    install.press(order, "pay")
    assert orders.look_again(order).state == "paid"
    assert install.balance() == (200, 0)
    install.hear()
    assert install.balance() == (200, 0)
    assert not Mismatch.objects.exists()


def test_a_second_pack_is_bought_by_the_same_customer(install):
    first, second = install.bought(), install.bought(item="pack-1000")
    payers = {install.fake.object(order.checkout_id)["customer"] for order in (first, second)}
    assert len(payers) == 1
    assert install.balance() == (1200, 0)


def test_a_payment_that_takes_days(install):
    order = install.order()
    install.press(order, "delay")
    install.hear()
    order.refresh_from_db()
    assert (order.state, install.balance()) == ("open", (0, 0))
    install.fake.settle(order.checkout_id)
    install.hear()
    order.refresh_from_db()
    assert (order.state, install.balance()) == ("paid", (200, 0))
    assert install.payment(order).method == "SEPA debit ending 3000"


def test_a_payment_that_takes_days_and_fails(install):
    order = install.order()
    install.press(order, "delay")
    install.fake.settle(order.checkout_id, paid=False)
    install.hear()
    order.refresh_from_db()
    assert (order.state, install.balance()) == ("failed", (0, 0))
    assert not Payment.objects.exists()


def test_a_declined_card_may_be_followed_by_another(install):
    order = install.order()
    assert "declined" in install.press(order, "fail").text
    assert orders.look_again(order).state == "open"
    install.press(order, "pay")
    assert orders.look_again(order).state == "paid"
    assert install.balance() == (200, 0)


def test_a_checkout_that_expires(install):
    order = install.order()
    install.fake.expire(order.checkout_id)
    install.hear()
    order.refresh_from_db()
    assert order.state == "expired"


def test_refunds_in_parts_and_whole(install):
    order = install.bought()
    number = install.payment(order).external_id
    for amount, left in ((200, 150), (300, 75), (None, 0)):
        install.fake.refund(number, amount)
        install.hear()
        assert install.balance() == (left, 0)
    assert install.payment(order).refunded == 800
    assert install.books_hold()


def test_a_refund_that_comes_back_gives_the_credits_again(install):
    order = install.bought()
    refund = install.fake.refund(install.payment(order).external_id)
    install.hear()
    assert install.balance() == (0, 0)
    install.fake.fail_refund(refund["id"])
    install.hear()
    assert install.balance() == (200, 0)
    assert install.books_hold()


def test_staff_refund_and_pressing_twice_is_one_refund(install):
    order = install.bought()
    for _ in range(2):
        subscriptions.refund(install.payment(order), 200, "the same press")
    assert (install.payment(order).refunded, install.balance()) == (200, (150, 0))
    assert len(install.fake.objects("refund")) == 1
    with pytest.raises(protocol.Refused, match="greater than unrefunded"):
        subscriptions.refund(install.payment(order), 700, "too much")
    subscriptions.refund(install.payment(order), None, "the rest")
    assert (install.payment(order).refunded, install.balance()) == (800, (0, 0))


def test_a_refund_after_spending_is_owed(install):
    order = install.bought()
    hold = ledger.hold(install.buyer.workspace.id, amount=150, reference="work")
    ledger.settle(hold.id, captured=150)
    install.fake.refund(install.payment(order).external_id)
    install.hear()
    assert install.balance() == (0, 150)
    install.bought()
    assert install.balance() == (50, 0)
    assert install.books_hold()


@pytest.mark.parametrize(("outcome", "balance"), [("won", (200, 0)), ("lost", (0, 0))])
def test_a_dispute(install, outcome, balance):
    order = install.bought()
    dispute = install.fake.dispute(install.payment(order).external_id)
    install.hear()
    assert (install.balance(), install.payment(order).dispute) == ((0, 0), "open")
    install.fake.decide(dispute["id"], outcome)
    install.hear()
    assert (install.balance(), install.payment(order).dispute) == (balance, outcome)
    assert install.books_hold()


def test_an_inquiry_moves_nothing(install):
    order = install.bought()
    inquiry = install.fake.dispute(install.payment(order).external_id, "warning_needs_response")
    install.hear()
    install.fake.decide(inquiry["id"], "warning_closed")
    install.hear()
    assert (install.balance(), install.payment(order).dispute) == ((200, 0), "")


@pytest.mark.parametrize(("taken", "left"), [([], 200), ([-800], 0), ([-800, 800], 200)])
def test_a_dispute_that_was_prevented_counts_by_its_money(install, taken, left):
    order = install.bought()
    dispute = install.fake.dispute(install.payment(order).external_id)
    install.fake.tamper(dispute["id"], balance_transactions=[{"amount": amount} for amount in taken])
    install.fake.decide(dispute["id"], "prevented")
    install.hear()
    assert install.balance() == (left, 0)


def test_tax_is_on_top_and_goes_back_with_its_part(open_install):
    install = open_install(tax_percent=19)
    order = install.bought()
    row = install.payment(order)
    assert (install.fake.object(row.external_id)["amount"], row.amount, install.balance()) == (952, 800, (200, 0))
    subscriptions.refund(row, 201, "a part")
    assert (install.fake.objects("refund")[0]["amount"], install.payment(order).refunded) == (240, 201)
    subscriptions.refund(row, None, "the rest")
    assert (install.payment(order).refunded, install.balance()) == (800, (0, 0))


def test_every_order_of_webhooks_and_every_one_twice(install):
    order = install.order()
    install.press(order, "pay")
    install.fake.refund(install.fake.object(order.checkout_id)["payment_intent"], 400)
    count = len(install.fake.webhooks.held)
    install.hear(*reversed(range(count)), *range(count))
    assert install.balance() == (100, 0)
    assert not Mismatch.objects.exists()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount_subtotal": 799}, "other_amount"), ({"amount_subtotal": 80_000}, "other_amount"),
        ({"total_details": {"amount_discount": 100, "amount_tax": 0}}, "other_amount"),
    ],
)  # fmt: skip
def test_a_checkout_for_another_amount_brings_nothing(install, fields, code):
    order = install.order()
    install.press(order, "pay")
    install.fake.tamper(order.checkout_id, **fields)
    install.hear()
    assert install.balance() == (0, 0)
    assert {row.code for row in Mismatch.objects.all()} == {code}


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"currency": "eur"}, "other_currency"), ({"livemode": True}, "other_mode")],
)
def test_a_payment_of_another_currency_or_mode_brings_nothing(install, fields, code):
    order = install.order()
    install.press(order, "pay")
    install.fake.tamper(install.fake.object(order.checkout_id)["payment_intent"], **fields)
    install.hear()
    assert install.balance() == (0, 0)
    assert {row.code for row in Mismatch.objects.all()} == {code}
