"""The door for gateways: what is proved is stored once and answered before anybody looks; everything else leaves no trace."""

import threading

import pytest
from django.db import OperationalError, connection
from django.test import Client

from gesso.billing import registry
from gesso.billing.gateways import protocol
from gesso.core import ids
from gesso.webhooks import inbox
from gesso.webhooks.models import WebhookEvent
from tests.billing import till as fake

pytestmark = pytest.mark.django_db

WHERE = protocol.Subject("payment", "pay_1")


def deliver(body: bytes, *, gateway: str = "stripe", signature: str | None = None, method: str = "post"):
    browser = Client(raise_request_exception=False)
    headers = {"x-signature": fake.sign(body) if signature is None else signature}
    return browser.generic(method.upper(), f"/webhooks/{gateway}", body, "application/json", headers=headers)


def test_what_is_proved_is_stored_as_it_came_and_answered_before_anybody_looks(till):
    body = fake.event("evt_1", WHERE)
    assert deliver(body).status_code == 202
    row = WebhookEvent.objects.get()
    assert (bytes(row.payload), row.external_id, row.subjects) == (body, "evt_1", [["payment", "pay_1"]])
    assert (row.handled_at, row.tries) == (None, 0)
    assert row.due_at
    assert till.looked == []


@pytest.mark.parametrize(
    "signature",
    ["", "0" * 64, "x", fake.sign(b"another body"), fake.sign(fake.event("evt_1", WHERE), b"another secret")],
)
def test_what_is_forged_leaves_no_trace(till, signature):
    answer = deliver(fake.event("evt_1", WHERE), signature=signature)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_signature")
    assert not WebhookEvent.objects.exists()
    assert till.looked == []


def test_with_an_empty_secret_nobody_is_believed(till):
    till.secret = b""
    body = fake.event("evt_1", WHERE)
    assert deliver(body, signature=fake.sign(body, b"")).status_code == 400
    assert not WebhookEvent.objects.exists()


def test_the_raw_body_counts(till):
    body = fake.event("evt_1", WHERE)
    for changed in (body + b" ", b"\xef\xbb\xbf" + body, body.replace(b": ", b":")):
        assert deliver(changed, signature=fake.sign(body)).status_code == 400
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize("gateway", ["creem", "test", "paypal", "Stripe"])
def test_a_gateway_that_is_not_in_use_has_no_door(till, monkeypatch, gateway):
    found = {"stripe": till, "test": fake.Till("test")}
    monkeypatch.setattr(registry, "configured", lambda: found)
    assert deliver(fake.event("evt_1", WHERE), gateway=gateway).status_code == 404
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_nothing_else_than_a_post_is_heard(till, method):
    assert deliver(fake.event("evt_1", WHERE), method=method).status_code == 405
    assert not WebhookEvent.objects.exists()


def test_a_body_has_a_bound_and_the_bound_is_within(till):
    assert protocol.WEBHOOK_BYTES == 256 * 1024
    body = fake.event("evt_1", WHERE)
    most = body[:-1] + b" " * (protocol.WEBHOOK_BYTES - len(body)) + b"}"
    assert deliver(most).status_code == 202
    answer = deliver(most + b" ")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert WebhookEvent.objects.count() == 1


def test_the_same_delivery_again_is_answered_and_stored_once(till):
    body = fake.event("evt_1", WHERE)
    for _ in range(3):
        assert deliver(body).status_code == 202
    assert WebhookEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_ten_deliveries_at_once_are_stored_once(till):
    body, told, barrier = fake.event("evt_1", WHERE), [], threading.Barrier(10)

    def send() -> None:
        barrier.wait()
        told.append(deliver(body).status_code)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [202] * 10
    assert WebhookEvent.objects.count() == 1


def test_a_type_that_means_nothing_is_kept_and_has_no_effect(till):
    assert deliver(fake.event("evt_1", type="tax.rate.born")).status_code == 202
    row = WebhookEvent.objects.get()
    assert (row.due_at, row.type) == (None, "tax.rate.born")
    assert row.handled_at
    assert (inbox.handle_due(), till.looked) == (0, [])


@pytest.mark.parametrize(("ours", "theirs"), [(True, False), (False, True)])
def test_an_event_of_the_other_mode_is_kept_and_has_no_effect(till, ours, theirs):
    till.live = ours
    assert deliver(fake.event("evt_1", WHERE, live=theirs)).status_code == 202
    assert WebhookEvent.objects.get().due_at is None
    assert (inbox.handle_due(), till.looked) == (0, [])


def test_a_gateway_is_told_to_come_again_while_the_database_is_away(till, monkeypatch):
    def away(*_words: object) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(inbox, "receive", away)
    assert deliver(fake.event("evt_1", WHERE)).status_code >= 500


def test_neither_bodies_nor_signatures_are_logged(till, capfd, caplog):
    canary = str(ids.uuid7())
    body = fake.event("evt_1", type=canary)
    deliver(body)
    deliver(body, signature=canary)
    said = "".join(capfd.readouterr()) + caplog.text
    assert canary not in said
    assert fake.sign(body) not in said
