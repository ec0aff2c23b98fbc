"""The fake Stripe speaks to Stripe's own client as Stripe does, and misbehaves only when told to."""

import http.server
import signal
import subprocess
import sys
import threading

import httpx2
import pytest
import stripe as sdk

from tests.fakes.provider import ROOT
from tests.fakes.stripe import FakeStripe


@pytest.fixture
def fake():
    with FakeStripe() as running:
        yield running


@pytest.fixture
def client(fake):
    return sdk.StripeClient(fake.api_key, base_addresses={"api": fake.url}, max_network_retries=0)


def params(**fields):
    data = {"currency": "usd", "product": "gesso_pack_x", "unit_amount": 800}
    if fields.get("mode") == "subscription":
        data["recurring"] = {"interval": "month"}
    return {
        "mode": "payment", "success_url": "http://shop/done", "cancel_url": "http://shop/back",
        "line_items": [{"price_data": data, "quantity": 1}], **fields,
    }  # fmt: skip


@pytest.fixture
def session(client):
    client.v1.products.create({"id": "gesso_pack_x", "name": "X"})
    return client.v1.checkout.sessions.create(params(payment_intent_data={"metadata": {"order": "1"}}))


def test_a_checkout_through_its_page(fake, client, session):
    assert session.status == "open"
    page = httpx2.get(session.url, trust_env=False)
    assert page.status_code == 200
    assert 'value="pay"' in page.text
    assert "declined" in httpx2.post(session.url, data={"press": "fail"}, trust_env=False).text
    done = httpx2.post(session.url, data={"press": "pay"}, trust_env=False)
    assert (done.status_code, done.headers["location"]) == (303, "http://shop/done")
    again = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (again.status, again.payment_status) == ("complete", "paid")
    assert again.payment_intent.latest_charge.payment_method_details.card.last4 == "4242"
    assert again.payment_intent.metadata["order"] == "1"
    assert fake.events()[-1]["type"] == "checkout.session.completed"


def test_a_subscription_in_the_shapes_of_this_version(fake, client):
    client.v1.products.create({"id": "gesso_pack_x", "name": "X"})
    session = client.v1.checkout.sessions.create(
        params(mode="subscription", subscription_data={"metadata": {"order": "1"}})
    )
    fake.pay(session.id)
    number = client.v1.checkout.sessions.retrieve(session.id).subscription
    subscription = client.v1.subscriptions.retrieve(number)
    item = subscription["items"].data[0]
    fake.renew(number)
    first, renewal = reversed(client.v1.invoices.list({"subscription": number}).data)
    assert (first.billing_reason, renewal.billing_reason) == ("subscription_create", "subscription_cycle")
    assert first.parent.subscription_details.metadata["order"] == "1"
    assert first.lines.data[0].pricing.price_details.product == "gesso_pack_x"
    assert renewal.lines.data[0].period.start == item.current_period_end
    whole = client.v1.invoices.retrieve(first.id, {"expand": ["payments"]})
    intent = whole.payments.data[0].payment.payment_intent
    found = client.v1.invoice_payments.list({"payment": {"type": "payment_intent", "payment_intent": intent}})
    assert [row.invoice for row in found.data] == [first.id]


def test_the_same_key_is_the_same_answer_and_other_words_are_refused(client, session):
    words, key = params(), {"idempotency_key": "k"}
    first = client.v1.checkout.sessions.create(words, key)
    assert client.v1.checkout.sessions.create(words, key).id == first.id
    with pytest.raises(sdk.IdempotencyError):
        client.v1.checkout.sessions.create(params(client_reference_id="other"), key)


def test_what_stripe_refuses(fake, client, session):
    with pytest.raises(sdk.AuthenticationError):
        sdk.StripeClient("sk_test_other", base_addresses={"api": fake.url}).v1.events.list()
    with pytest.raises(sdk.InvalidRequestError, match="No such payment_intent"):
        client.v1.payment_intents.retrieve("pi_none")
    with pytest.raises(sdk.InvalidRequestError, match="unknown parameter"):
        client.v1.checkout.sessions.create(params(colour="red"))
    fake.break_next(500)
    with pytest.raises(sdk.APIError):
        client.v1.events.list()
    fake.break_next(0)
    with pytest.raises(sdk.APIConnectionError):
        client.v1.events.list()


def test_events_are_listed_page_by_page(fake, client, session):
    for _ in range(25):
        fake.say("x.y", session.id)
    seen = [event.id for event in client.v1.events.list({"limit": 10, "types": ["x.y"]}).auto_paging_iter()]
    assert seen == [event["id"] for event in reversed(fake.events("x.y"))]
    assert len(seen) == 25


@pytest.fixture
def door():
    """A server that keeps the bodies and headers it was sent."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.rfile.read(int(self.headers["content-length"])), self.headers["stripe-signature"]))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhooks_are_signed_doubled_held_and_dropped(fake, client, session, door):
    fake.webhooks.url, got = door
    fake.webhooks.duplicates = 1
    fake.say("a.b", session.id)
    fake.webhooks.wait()
    assert len(got) == 2
    event = client.construct_event(got[0][0], got[0][1], fake.webhook_secret)
    assert (event.type, event.api_version) == ("a.b", sdk.api_version)
    fake.webhooks.duplicates, fake.webhooks.hold = 0, True
    fake.webhooks.drop = lambda event: event["type"] == "never"
    for kind in ("one", "two", "never"):
        fake.say(kind, session.id)
    fake.webhooks.release([1, 0, 1])
    assert [delivery.type for delivery in fake.webhooks.log][2:] == ["two", "one", "two"]
    assert {delivery.status for delivery in fake.webhooks.log} == {202}


def test_it_runs_by_hand():
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.stripe_demo"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as demo:  # fmt: skip
        words = dict(demo.stdout.readline().strip().split("=", 1) for _ in range(3))
        assert words.keys() == {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"}
        client = sdk.StripeClient(words["STRIPE_SECRET_KEY"], base_addresses={"api": words["STRIPE_API_BASE"]})
        client.v1.products.create({"id": "gesso_pack_x", "name": "X"})
        session = client.v1.checkout.sessions.create(params(mode="subscription", subscription_data={}))
        httpx2.post(session.url, data={"press": "delay"}, trust_env=False)
        demo.stdin.write("settle\nrenew\nrefund pi_none\nlist\nwebhooks\nover\n")
        demo.stdin.close()
        said = ""
        while not said.endswith("Unknown syntax: over\n"):
            line = demo.stdout.readline()
            assert line, said
            said += line
        demo.send_signal(signal.SIGINT)
        said += demo.stdout.read()
    assert demo.returncode == 0
    assert "can't be done" in said
    assert said.count(" paid 800") == 2
