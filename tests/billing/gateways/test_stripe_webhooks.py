"""Stripe's signatures and events: who said it, in the raw bytes, about now; and where it says to look."""

import hashlib
import hmac
import json
import time

import pytest
import stripe as sdk

from gesso.billing.gateways import protocol, stripe, stripe_events
from gesso.billing.models import Payment
from gesso.webhooks.models import WebhookEvent
from tests.billing.gateways.stripe_install import install, open_install

__all__ = ["install", "open_install"]

SECRET = "whsec_0123456789abcdef"
EVENT = {
    "id": "evt_1", "object": "event", "type": "invoice.paid", "livemode": False, "api_version": sdk.api_version,
    "data": {"object": {"id": "in_1", "object": "invoice"}},
}  # fmt: skip
BODY = json.dumps(EVENT).encode()
NOW = 1_795_000_000  # when these tests take place


def short(value: object) -> str:
    """Return the name of a case: some are very long."""
    return repr(value)[:24]


def sign(body: bytes = BODY, at: int | str = NOW, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def prove(header: str, body: bytes = BODY, secret: str = SECRET) -> None:
    stripe_events.verify(body, header, secret, NOW + 0.5)


def hear(body: bytes) -> protocol.Notice:
    """Hear a body that is signed here and now."""
    at = int(time.time())
    header = {"stripe-signature": f"t={at},v1={sign(body, at)}"}
    return stripe.Stripe("sk_test_x", SECRET, stripe.API).hear(body, header)


def told(**fields: object) -> bytes:
    return json.dumps(EVENT | fields).encode()


@pytest.mark.parametrize(
    "header",
    [
        f"t={NOW},v1={sign()}", f"t={NOW}, v1={sign()}", f"t={NOW},v1={'0' * 64},v1={sign()}",
        f"t={NOW},v1={sign()},v1=x", f"v1={sign()},v0=zz,t={NOW}", f"t={NOW - 290},v1={sign(at=NOW - 290)}",
        f"t={NOW + 290},v1={sign(at=NOW + 290)}",
        sdk.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, NOW),
    ],
    ids=short,
)  # fmt: skip
def test_what_stripe_signed_is_believed(header):
    prove(header)


def test_what_it_says():
    assert hear(BODY) == protocol.Notice("evt_1", "invoice.paid", False, (protocol.Subject("payment", "in_1"),))


@pytest.mark.parametrize(
    "header",
    [
        "", ",", "=", f"t={NOW}", f"v1={sign()}", f"t=,v1={sign()}", f"t={NOW},v1=", f"t={NOW},v1={'0' * 64}",
        f"t={NOW},v1={sign()[:-1]}", f"t={NOW},v1={sign()}0", f"t={NOW},v1={sign().upper()}", f"t={NOW},v1=zz",
        f"t={NOW},v1=é", f"t={NOW},v0={sign()}", f"t={NOW},V1={sign()}", f"t={NOW},v1={sign(secret='whsec_other')}",
        f"t={NOW - 301},v1={sign(at=NOW - 301)}", f"t={NOW + 400},v1={sign(at=NOW + 400)}",
        f"t={NOW - 400},t={NOW},v1={sign(at=NOW - 400)}", f"t={NOW + 1},v1={sign()}", f"t=-1,v1={sign(at=-1)}",
        f"t={NOW}.0,v1={sign(at=f'{NOW}.0')}", f"t=x,v1={sign(at='x')}", f"t={'9' * 5000},v1={sign(at='9' * 5000)}",
        f"t=١٢٣,v1={sign()}", "t=" * 5000, f"t={NOW},v1={sign(secret='')}",
    ],
    ids=short,
)  # fmt: skip
def test_what_is_not_signed_with_our_secret_about_now_is_refused(header):
    with pytest.raises(protocol.BadSignature):
        prove(header)


def test_without_a_header_it_is_refused():
    with pytest.raises(protocol.BadSignature):
        stripe.Stripe("sk_test_x", SECRET, stripe.API).hear(BODY, {})


def test_an_empty_secret_believes_nobody():
    with pytest.raises(protocol.BadSignature):
        prove(f"t={NOW},v1={sign(secret='')}", secret="")


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(EVENT, indent=1).encode(), BODY + b"\n", b"\xef\xbb\xbf" + BODY, b"", BODY.replace(b"in_1", b"in_2"),
        b"\xff\xfe", BODY.replace(b": ", b":"),
    ],
    ids=short,
)  # fmt: skip
def test_only_the_very_bytes_that_were_signed(body):
    with pytest.raises(protocol.BadSignature):
        prove(f"t={NOW},v1={sign()}", body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"\xff\xfe", b"[]", b"null", b"1", b'"event"', b"{}", told(id=1), told(id=""),
        told(type=None), told(livemode="no"), told(object="v2.core.event"), b"[" * 200_000,
    ],
    ids=short,
)  # fmt: skip
def test_what_is_signed_but_no_event_is_refused_as_well(body):
    with pytest.raises(protocol.BadSignature):
        hear(body)


@pytest.mark.parametrize(
    ("kind", "about", "subject"),
    [
        ("checkout.session.completed", {"id": "cs_test_a1"}, ("checkout", "cs_test_a1")),
        ("checkout.session.expired", {"id": "cs_live_a1"}, ("checkout", "cs_live_a1")),
        ("invoice.payment_failed", {"id": "in_1"}, ("payment", "in_1")),
        ("customer.subscription.deleted", {"id": "sub_1"}, ("subscription", "sub_1")),
        ("refund.updated", {"id": "re_1", "payment_intent": "pi_1", "charge": "ch_1"}, ("payment", "pi_1")),
        ("refund.failed", {"id": "re_1", "payment_intent": None, "charge": "py_1"}, ("payment", "py_1")),
        ("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1"}, ("payment", "pi_1")),
        ("charge.dispute.created", {"id": "du_1", "charge": "ch_1", "payment_intent": "pi_1"}, ("payment", "pi_1")),
        ("charge.dispute.closed", {"id": "du_1"}, ("payment", "du_1")),
        ("customer.created", {"id": "cus_1"}, None),
        ("invoice.paid", {"id": "../../v1/charges"}, None),
        ("invoice.paid", {"id": "in_1?expand=x"}, None),
        ("invoice.paid", {"id": "in_" + "1" * 200}, None),
        ("invoice.paid", {"id": ["in_1"]}, None),
        ("invoice.paid", {"id": "evt_1"}, None),
        ("invoice.paid", {}, None),
        ("invoice.paid", "in_1", None),
    ],
    ids=short,
)
def test_where_an_event_says_to_look(kind, about, subject):
    body = told(type=kind, data={"object": about})
    found = hear(body).subjects
    assert found == ((protocol.Subject(*subject),) if subject else ())


@pytest.mark.parametrize("fields", [{"data": None}, {"data": []}, {"data": {}}, {"account": "acct_other"}])
def test_events_that_say_nothing_about_us(fields):
    body = told(**fields)
    assert hear(body).subjects == ()


def test_no_more_types_than_one_list_may_ask_for():
    assert len(stripe_events.TYPES) <= 20


@pytest.mark.django_db
def test_forged_webhooks_leave_no_trace_at_the_door(install):
    order = install.order()
    install.press(order, "pay")
    held = install.fake.webhooks.held
    secret, install.fake.webhooks.secret = install.fake.webhooks.secret, "whsec_of_somebody_else"
    assert {install.post(event) for event in held} == {400}
    assert not WebhookEvent.objects.exists()
    assert install.balance() == (0, 0)
    install.fake.webhooks.secret = secret
    install.hear()
    assert install.balance() == (200, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("live", [False, True])
def test_events_of_the_other_mode_move_nothing(open_install, live):
    install = open_install(api_key="sk_live_fake" if live else "sk_test_fake")
    assert install.till.live is live
    order = install.order()
    install.press(order, "pay")
    for event in install.fake.webhooks.held:
        assert install.post(event | {"livemode": not live}) == 202
    assert set(WebhookEvent.objects.values_list("due_at", flat=True)) == {None}
    assert install.balance() == (0, 0)
    for event in install.fake.webhooks.held:
        event["id"] += "again"
    install.hear()
    assert install.balance() == (200, 0)
    assert Payment.objects.get().live is live


@pytest.mark.django_db
def test_an_unknown_type_is_kept_and_does_nothing(install):
    order = install.order()
    install.fake.say("checkout.session.dreamt_of", order.checkout_id)
    calls = len(install.fake.journal)
    assert install.hear() == [202]
    assert WebhookEvent.objects.get().type == "checkout.session.dreamt_of"
    assert len(install.fake.journal) == calls
