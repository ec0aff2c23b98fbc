"""Creem's webhooks: who may say something, and that what is said late, twice or by somebody else moves nothing."""

import dataclasses
import json
import random

import pytest

from gesso.billing import reconciliation
from gesso.billing.gateways import creem_webhooks, protocol
from gesso.billing.models import Mismatch, Order, Payment
from gesso.webhooks import inbox
from gesso.webhooks.models import WebhookEvent
from tests.billing.gateways.creem_install import install, open_install
from tests.fakes import creem_months, creem_outbox
from tests.fakes.creem import WEBHOOK_SECRET

__all__ = ["install", "open_install"]
pytestmark = pytest.mark.django_db

BODY = b'{"id":"evt_1","eventType":"checkout.completed","created_at":1,"object":{"id":"ch_1","mode":"test"}}'
GOOD = creem_outbox.sign(WEBHOOK_SECRET, BODY)


def hear(signature, body=BODY, secret=WEBHOOK_SECRET, live=False):
    headers = {} if signature is None else {"creem-signature": signature}
    return creem_webhooks.hear(secret.encode(), body, headers, live=live)


def test_what_is_signed_says_where_to_look():
    assert hear(GOOD) == protocol.Notice("evt_1", "checkout.completed", False, (protocol.Subject("checkout", "ch_1"),))


@pytest.mark.parametrize(
    "signature",
    [None, "", "0" * 64, GOOD[:-1], GOOD[:32], GOOD + "0", GOOD.upper(), f" {GOOD}", f"{GOOD}\n", f"sha256={GOOD}",
     "z" * 64, "\u0660" * 64, creem_outbox.sign("another secret of a store", BODY), creem_outbox.sign(WEBHOOK_SECRET, b"")],
)  # fmt: skip
def test_what_is_not_signed_so_is_refused(signature):
    with pytest.raises(protocol.BadSignature) as refused:
        hear(signature)
    assert WEBHOOK_SECRET not in str(refused.value)


def test_an_empty_secret_proves_nothing():
    with pytest.raises(protocol.BadSignature):
        hear(creem_outbox.sign("", BODY), secret="")


def test_the_raw_body_is_what_is_signed():
    with pytest.raises(protocol.BadSignature):
        hear(GOOD, json.dumps(json.loads(BODY)).encode())


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"not json", b"{}", b'{"id":"e","eventType":"x"}', b'{"id":7,"eventType":"x","object":{}}',
     b'{"id":"","eventType":"x","object":{}}', b'{"id":"e","eventType":["x"],"object":{}}', b'{"id":"e","eventType":"x","object":[]}'],
)  # fmt: skip
def test_what_is_signed_but_no_event_is_refused(body):
    with pytest.raises(protocol.BadSignature):
        hear(creem_outbox.sign(WEBHOOK_SECRET, body), body)


@pytest.mark.parametrize(
    ("kind", "told", "subject"),
    [
        ("checkout.completed", {"id": "ch_1"}, ("checkout", "ch_1")),
        ("subscription.something_new", {"id": "sub_1"}, ("subscription", "sub_1")),
        ("refund.created", {"id": "ref_1", "checkout": "ch_1", "transaction": {"id": "tran_1"}}, ("checkout", "ch_1")),
        ("refund.created", {"id": "ref_1", "subscription": {"id": "sub_1"}, "checkout": {"id": "ch_1"}}, ("subscription", "sub_1")),
        ("dispute.created", {"id": "disp_1", "transaction": {"id": "tran_1"}}, ("payment", "tran_1")),
        ("dispute.created", {"id": "disp_1"}, None),
        ("credits.granted", {"id": "x_1"}, None),
        ("checkout.completed", {"id": "../../v1/products"}, None),
        ("checkout.completed", {"id": "x" * 101}, None),
        ("checkout.completed", {"id": 7}, None),
    ],
)  # fmt: skip
def test_where_each_event_says_to_look(kind, told, subject):
    body = json.dumps({"id": "evt_1", "eventType": kind, "created_at": 1, "object": told}).encode()
    found = hear(creem_outbox.sign(WEBHOOK_SECRET, body), body).subjects
    assert found == ((protocol.Subject(*subject),) if subject else ())


def test_a_forged_event_leaves_no_trace(install):
    order = install.order()
    install.press(order, "pay")
    body = install.store.outbox.all[0].body
    for headers in ({}, {"creem-signature": "0" * 64}, {"creem-signature": creem_outbox.sign("", body)}):
        assert install.post(body, headers) == 400
    assert not WebhookEvent.objects.exists()
    assert install.balance() == (0, 0)


def test_an_event_that_is_sent_again_after_a_month_moves_nothing(install):
    order = install.bought()
    first = install.store.outbox.all[0]
    install.store.shop.refund(Payment.objects.get(order=order).external_id)
    install.hear()
    assert install.balance() == (0, 0)
    WebhookEvent.objects.all().delete()  # long forgotten
    assert install.store.outbox.attempt(first, install.post) == 200
    assert inbox.handle_due() == 1
    assert install.balance() == (0, 0)
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_storm_of_deliveries_ends_the_same(install, seed):
    """Ten events, each heard up to three times, late, in any order or never, between the things that happen."""
    chance = random.Random(seed)
    shop, who = install.store.shop, install.buyer

    def weather():
        if chance.random() < 0.5:
            install.hear(
                copies=chance.randint(1, 3),
                shuffle=chance,
                delay=chance.randint(0, 2),
                drop=lambda _: chance.random() < 0.3,
            )

    pack, plan = install.order(), install.order("plan")
    install.press(pack, "pay")
    weather()
    install.press(plan, "pay")
    weather()
    number = next(iter(shop.subscriptions))
    creem_months.next_period(shop, number)
    weather()
    shop.refund(shop.checkouts[pack.checkout_id]["order"]["transaction"])
    weather()
    shop.dispute(shop.checkouts[plan.checkout_id]["order"]["transaction"])
    weather()
    creem_months.next_period(shop, number, paid=False)
    weather()
    creem_months.next_period(shop, number)
    creem_months.cancel(shop, number, "scheduled")
    install.hear(copies=2, shuffle=chance)
    reconciliation.run(install.till)
    # The pack was refunded and the first month disputed; two later months are paid.
    assert (install.balance(), install.plan().cancels_at_period_end) == ((800, 0), True)
    kept = Payment.objects.filter(workspace=who.workspace, refunded=0, dispute="")
    assert [row.reason for row in kept] == ["renewal", "renewal"]
    assert reconciliation.run(install.till).mended == []
    assert not Mismatch.objects.exists()
    assert install.books_hold()


def test_test_mode_is_refused_where_money_is_real(open_install):
    install = open_install(live=True)
    order = install.order()
    install.press(order, "pay")
    shop = install.store.shop
    for rows in (shop.checkouts, shop.transactions):
        for row in rows.values():
            row["mode"] = "test"
    told = shop.whole_checkout(shop.checkouts[order.checkout_id])
    install.store.outbox.all.clear()
    install.store.outbox.emit("checkout.completed", told, 0)
    install.hear()
    assert WebhookEvent.objects.get().handled_at
    assert install.balance() == (0, 0)
    reconciliation.run(install.till)
    assert install.balance() == (0, 0)
    assert Mismatch.objects.get().code == "other_mode"


def test_real_money_is_taken_live(open_install):
    install = open_install(live=True)
    order = install.bought()
    assert (install.till.live, Order.objects.get(id=order.id).live, install.balance()) == (True, True, (200, 0))


def test_an_event_that_names_another_gateways_order_moves_nothing(install):
    theirs = Order.objects.create(
        workspace=install.buyer.workspace, member=install.buyer.user, gateway="stripe", live=False, kind="pack",
        item="pack-200", name="200 credits", credits=200, amount=800, currency="usd", checkout_id="cs_1",
    )  # fmt: skip
    order = install.order()
    named = {"request_id": str(theirs.id), "metadata": {"order": str(theirs.id), "item": "pack-200"}}
    install.store.shop.checkouts[order.checkout_id] |= named
    install.press(order, "pay")
    install.hear()
    assert install.balance() == (0, 0)
    assert Order.objects.get(id=theirs.id).state == "open"
    assert set(Mismatch.objects.values_list("code", flat=True)) == {"other_gateway", "no_order"}


def test_without_keys_there_is_no_endpoint(install, settings):
    from gesso.billing import registry

    install.till.close()
    settings.GESSO = dataclasses.replace(settings.GESSO, creem=None)
    registry.configured.cache_clear()
    assert install.post(BODY, {"creem-signature": GOOD}) == 404


def test_retries_end_after_four(install):
    order = install.order()
    install.press(order, "pay")
    for _ in range(8):
        install.store.outbox.deliver(lambda body, headers: 503)
    (one,) = install.store.outbox.all
    assert (one.tries, one.delivered) == (5, False)
    assert reconciliation.run(install.till).mended == ["200 credits: 200 credits added for a payment."]
    assert install.balance() == (200, 0)
