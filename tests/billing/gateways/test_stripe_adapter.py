"""Stripe's adapter by itself: what it asks, what it finds without webhooks, and how it fails."""

import datetime
import traceback

import pytest

from gesso.billing import reconciliation, registry
from gesso.billing.gateways import protocol, stripe, stripe_reading, stripe_states, stripe_wire
from gesso.billing.models import Mismatch, Payment
from tests.billing.gateways.stripe_install import install, open_install

__all__ = ["install", "open_install"]

pytestmark = pytest.mark.django_db
LONG_AGO = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=7)


def sale(**fields: object) -> protocol.Sale:
    words = {
        "order": "01890000-0000-7000-8000-000000000000", "kind": "pack", "item": "pack-200", "name": "200 credits",
        "amount": 800, "currency": "usd", "email": "a@example.com", "customer": "", "product": "",
        "success_url": "http://shop/done", "cancel_url": "http://shop/back",
    }  # fmt: skip
    return protocol.Sale(**(words | fields))


def asked(install, path: str) -> list[dict]:
    return [params for _, where, params, _ in install.fake.journal if where == path]


def test_what_a_checkout_asks(install):
    install.till.open_checkout(sale())
    (words,) = asked(install, "/v1/checkout/sessions")
    marks = {"order": sale().order, "item": "pack-200"}
    assert words == {
        "mode": "payment", "client_reference_id": sale().order, "metadata": marks, "customer_email": "a@example.com",
        "customer_creation": "always", "success_url": "http://shop/done", "cancel_url": "http://shop/back",
        "payment_intent_data": {"metadata": marks},
        "line_items": [{"quantity": "1", "price_data": {
            "product": "gesso_pack_pack-200", "currency": "usd", "unit_amount": "800",
        }}],
    }  # fmt: skip
    headers = install.fake.journal[-1][3]
    assert headers["stripe-version"] == "2026-10-28.endive"
    assert headers["idempotency-key"] == f"gesso-checkout-{sale().order}"


def test_the_same_order_again_is_the_same_checkout_even_if_the_answer_was_lost(install):
    till = install.till
    till.open_checkout(sale(order="other"))  # the product is known from here on
    install.fake.break_next(0, 2, after=True)
    with pytest.raises(protocol.Unavailable):
        till.open_checkout(sale())
    first, second = till.open_checkout(sale()), till.open_checkout(sale())
    assert first == second
    assert len(install.fake.objects("checkout.session")) == 2


def test_a_customer_who_is_not_there_any_more_is_made_anew(install):
    first = install.till.open_checkout(sale(customer="cus_none"))
    assert install.till.open_checkout(sale(customer="cus_none")) == first
    assert install.fake.object(first.id)["customer_email"] == "a@example.com"
    order = install.bought()
    install.fake.forget(install.fake.object(order.checkout_id)["customer"])
    install.bought()
    assert install.balance() == (400, 0)
    assert not Mismatch.objects.exists()


def test_products_are_made_once_and_follow_their_names(install):
    for name in ("200 credits", "200 credits", "Two hundred"):
        install.till.open_checkout(sale(name=name, order=name))
    (product,) = install.fake.objects("product")
    assert (product["id"], product["name"]) == ("gesso_pack_pack-200", "Two hundred")
    assert len(asked(install, "/v1/products")) == 1


def test_one_payment_has_one_id_whichever_part_is_named(install):
    pack, plan = install.bought(), install.bought("plan")
    for order in (pack, plan):
        row = install.payment(order)
        refund = install.fake.refund(row.external_id, 100)
        dispute = install.fake.dispute(row.external_id)
        for number in (row.external_id, refund["id"], refund["payment_intent"], refund["charge"], dispute["id"]):
            found = [state for state in install.look(number) if isinstance(state, protocol.PaymentState)]
            assert found[0].id == row.external_id
            assert (found[0].refunded, found[0].dispute, found[0].order) == (100, "open", str(order.id))


def test_what_changed_is_found_page_by_page_and_each_thing_once(install, monkeypatch):
    monkeypatch.setattr(stripe_wire, "PAGE", 3)
    order = install.bought("plan")
    payment = install.payment(order).external_id
    number = install.plan().external_id
    intent = install.fake.refund(payment, 100)["payment_intent"]
    found = list(install.till.changed_since(LONG_AGO))
    assert len(asked(install, "/v1/events")) > 1
    assert sorted(found, key=str) == sorted(
        [
            protocol.Subject("checkout", order.checkout_id), protocol.Subject("payment", payment),
            protocol.Subject("payment", intent), protocol.Subject("subscription", number),
        ],
        key=str,
    )  # fmt: skip
    assert list(install.till.changed_since(datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1))) == []


def test_a_day_without_webhooks_is_made_up_for(install):
    pack, plan = install.order(), install.order("plan")
    for order in (pack, plan):
        install.press(order, "pay")
    number = install.fake.object(plan.checkout_id)["subscription"]
    install.fake.renew(number)
    install.fake.refund(install.fake.object(pack.checkout_id)["payment_intent"], 400)
    assert install.lose() > 10
    made = reconciliation.run(install.till)
    assert (made.failed, install.balance(), Payment.objects.count()) == ("", (900, 0), 3)
    assert made.mended
    assert reconciliation.run(install.till).mended == []
    assert not Mismatch.objects.exists()
    assert install.books_hold()


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_a_gateway_that_is_down_is_unavailable(install, status):
    install.fake.break_next(status, 10)
    with pytest.raises(protocol.Unavailable):
        install.look("pi_1")
    with pytest.raises(protocol.Unavailable):
        list(install.till.changed_since(LONG_AGO))


def test_one_hiccup_is_not_noticed(install):
    install.fake.break_next(500)
    assert install.look("pi_1") == []


def test_what_was_never_there_is_nothing(install):
    for number in ("pi_1", "ch_1", "in_1", "re_1", "du_1"):
        assert install.look(number) == []
    assert install.look("cs_test_1", "checkout") == []
    assert install.look("sub_1", "subscription") == []


@pytest.mark.parametrize("number", ["", "x", "pi_", "pi_1/../x", "pi_1?x=1", "sub_1", "pi_\n", "pi_" + "1" * 200])
def test_a_strange_id_is_refused_before_anything_is_asked(install, number):
    with pytest.raises(protocol.Refused):
        install.look(number)
    for act in (install.till.cancel_at_period_end, install.till.resume):
        with pytest.raises(protocol.Refused):
            act(number.replace("sub", "pi"))
    with pytest.raises(protocol.Refused):
        install.till.refund(number, None, "key")
    assert install.fake.journal == []


def test_what_stripe_refuses_is_a_sentence(install):
    with pytest.raises(protocol.Refused, match="No such customer"):
        install.till.portal("cus_none", "http://shop")
    with pytest.raises(protocol.Refused, match="No such subscription"):
        install.till.cancel_at_period_end("sub_none")


@pytest.mark.parametrize("path", ["look", "changed", "checkout"])
def test_no_key_is_in_any_error(open_install, path):
    install = open_install(api_key="sk_test_the_right_one")
    wrong = "sk_test_a_wrong_secret_key"
    till = stripe.Stripe(wrong, "whsec_a_secret_of_webhooks", install.fake.url)
    acts = {
        "look": lambda: till.look(protocol.Subject("payment", "pi_1")),
        "changed": lambda: list(till.changed_since(LONG_AGO)),
        "checkout": lambda: till.open_checkout(sale()),
    }
    with pytest.raises(protocol.Refused) as caught:
        acts[path]()
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert wrong[:12] not in text
    assert "whsec" not in text


def test_what_else_the_account_sells_is_passed_over(install):
    order = install.bought()
    plan = install.bought("plan")
    intent, session = install.payment(order).external_id, order.checkout_id
    invoice = install.payment(plan).external_id
    for number in (intent, session):
        install.fake.tamper(number, metadata={"cart": "7"})
    details = install.fake.object(invoice)
    details["parent"]["subscription_details"]["metadata"] = {}
    details["lines"]["data"][0]["pricing"]["price_details"]["product"] = "prod_other"
    install.fake.tamper(invoice, parent=details["parent"], lines=details["lines"])
    assert install.look(intent) == []
    assert install.look(session, "checkout") == []
    assert install.look(invoice) == []
    assert install.look(install.plan().external_id, "subscription") == []


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"type": "card", "card": {"brand": "visa", "last4": "4242"}}, "Visa ending 4242"),
        ({"type": "card", "card": {"brand": "amex", "last4": "0005"}}, "American Express ending 0005"),
        ({"type": "card", "card": {"brand": None, "last4": "1"}}, "Card ending 1"),
        ({"type": "sepa_debit", "sepa_debit": {"last4": "3000"}}, "SEPA debit ending 3000"),
        ({"type": "link", "link": {}}, "Link"), ({"type": "paypal"}, "PayPal"), ({}, ""), (None, ""),
    ],
)  # fmt: skip
def test_a_receipt_says_how_it_was_paid(details, words):
    assert stripe_states.method({"payment_method_details": details}) == words


def test_modes_and_pages():
    for key, live in (("sk_live_x", True), ("rk_live_x", True), ("sk_test_x", False), ("rk_test_x", False)):
        assert stripe.Stripe(key, "whsec_x", stripe.API).live is live
    assert stripe.Stripe("sk_test_x", "whsec_x", stripe.API + "/").page_origins == stripe.PAGES
    assert stripe.Stripe("sk_test_x", "whsec_x", "http://127.0.0.1:9/x").page_origins == ("http://127.0.0.1:9",)


def test_an_install_with_stripe_sells_through_it_and_not_for_nothing(install):
    assert next(iter(registry.configured())) == "stripe"
    assert registry.TEST not in registry.configured()


def test_newest_months_are_looked_at_in_few_requests(install):
    install.bought("plan")
    for _ in range(8):
        install.fake.renew(install.plan().external_id)
    install.lose()
    before = len(install.fake.journal)
    states = install.look(install.plan().external_id, "subscription")
    assert len([state for state in states if isinstance(state, protocol.PaymentState)]) == stripe_reading.NEWEST
    assert len(install.fake.journal) - before == 2 + stripe_reading.NEWEST
