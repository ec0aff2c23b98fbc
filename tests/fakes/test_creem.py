"""The fake Creem itself: it refuses what Creem refuses, its page works without scripts, its webhooks go wrong as told."""

import hashlib
import hmac
import itertools
import json
import random
import signal
import subprocess
import sys

import httpx2
import pytest

from gesso.core import catalog
from tests.fakes import creem_demo, creem_months, creem_shop
from tests.fakes.creem import FakeCreem
from tests.fakes.provider import ROOT


@pytest.fixture
def store():
    with FakeCreem() as made:
        made.shop.add_product("prod_pack", 1000)
        made.shop.add_product("prod_plan", 1100, "eur", monthly=True)
        yield made


def call(store, method, path, key=None, **words):
    headers = {"x-api-key": store.api_key if key is None else key}
    return httpx2.request(method, f"{store.url}/v1/{path}", headers=headers, trust_env=False, **words)


def opened(store, product="prod_pack", **words):
    asked = {"product_id": product, "request_id": "order-1", "success_url": "http://shop.example/back", **words}
    return call(store, "POST", "checkouts", json=asked).json()


def press(checkout, button):
    return httpx2.post(checkout["checkout_url"], data={"press": button}, trust_env=False)


def page(checkout):
    return httpx2.get(checkout["checkout_url"], trust_env=False).text


def types(store):
    return [one.type for one in store.outbox.all]


@pytest.mark.parametrize("key", ["", "creem_test_other"])
def test_a_call_without_the_key_is_forbidden_in_creems_shape(store, key):
    answer = call(store, "GET", "products", key, params={"product_id": "prod_pack"})
    assert answer.status_code == 403
    assert set(answer.json()) == {"trace_id", "status", "error", "timestamp"}


@pytest.mark.parametrize(
    ("method", "path", "words", "status"),
    [
        ("GET", "products?product_id=x", {}, 404), ("GET", "checkouts", {}, 404), ("GET", "nothing", {}, 404),
        ("POST", "checkouts", {"json": {}}, 400), ("POST", "checkouts", {"json": {"product_id": "x"}}, 404),
        ("POST", "checkouts", {"json": {"product_id": "prod_pack", "customer": {"id": "c", "email": "e"}}}, 400),
        ("POST", "checkouts", {"json": {"product_id": "prod_pack", "success_url": "x"}}, 400),
        ("POST", "refunds", {"json": {"transaction_id": "x"}}, 404),
        ("POST", "refunds", {"json": {"transaction_id": "x", "amount": 5}}, 400),
        ("POST", "subscriptions/x/cancel", {"json": {}}, 404), ("POST", "customers/billing", {"json": {"customer_id": "x"}}, 404),
        ("POST", "moderation/prompt", {"json": {"prompt": 7}}, 400),
    ],
)  # fmt: skip
def test_what_creem_refuses_is_refused(store, method, path, words, status):
    assert call(store, method, path, **words).status_code == status


def test_the_page_has_three_buttons_and_says_the_price_without_scripts(store):
    shown = page(opened(store))
    assert "10.00 USD plus tax" in shown
    assert "<script" not in shown
    assert [word in shown for word in (">Pay<", ">Fail<", ">Pay later<")] == [True] * 3


def test_paying_leads_back_with_what_was_paid_and_tells_it(store):
    checkout = opened(store, metadata={"order": "o"})
    answer = press(checkout, "pay")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(
        f"http://shop.example/back?checkout_id={checkout['id']}&request_id=order-1"
    )
    row = call(store, "GET", "checkouts", params={"checkout_id": checkout["id"]}).json()
    assert (row["status"], row["metadata"], row["order"]["status"]) == ("completed", {"order": "o"}, "paid")
    paid = call(store, "GET", "transactions", params={"transaction_id": row["order"]["transaction"]}).json()
    assert (paid["amount"], paid["tax_amount"], paid["amount_paid"], paid["type"]) == (1000, 210, 1210, "payment")
    assert types(store) == ["checkout.completed"]
    assert "This checkout is completed." in page(checkout)


def test_failing_leaves_it_open_and_paying_later_takes_a_while(store):
    checkout = opened(store)
    assert "declined" in press(checkout, "fail").text
    assert press(checkout, "delay").status_code == 303
    assert (store.shop.checkouts[checkout["id"]]["status"], types(store)) == ("processing", [])
    store.shop.settle(checkout["id"])
    assert types(store) == ["checkout.completed"]
    with pytest.raises(creem_shop.NotAllowed):
        store.shop.pay(checkout["id"])


def test_what_a_payer_wrote_is_not_part_of_the_page(store):
    store.shop.products["prod_pack"]["name"] = "<img src=x onerror=alert(1)>"
    assert "<img" not in page(opened(store))


def test_a_subscription_tells_its_life(store):
    press(opened(store, "prod_plan"), "pay")
    (plan,) = store.shop.subscriptions
    creem_months.next_period(store.shop, plan)
    creem_months.next_period(store.shop, plan, paid=False)
    creem_months.next_period(store.shop, plan)
    assert (
        call(store, "POST", f"subscriptions/{plan}/cancel", json={"mode": "scheduled"}).json()["status"]
        == "scheduled_cancel"
    )
    assert call(store, "POST", f"subscriptions/{plan}/resume", json={}).json()["status"] == "active"
    assert call(store, "POST", f"subscriptions/{plan}/resume", json={}).status_code == 400
    assert call(store, "POST", f"subscriptions/{plan}/upgrade", json={"product_id": "x"}).status_code == 400
    creem_months.cancel(store.shop, plan, "scheduled")
    creem_months.next_period(store.shop, plan)
    with pytest.raises(creem_shop.NotAllowed):
        creem_months.next_period(store.shop, plan)
    assert types(store) == ["checkout.completed", "subscription.active", *(f"subscription.{word}" for word in (
        "paid", "paid", "expired", "past_due", "paid", "scheduled_cancel", "update", "scheduled_cancel", "canceled",
    ))]  # fmt: skip
    rows = [row for row in store.shop.transactions.values() if row["subscription"] == plan]
    assert all(one["period_end"] == other["period_start"] for one, other in itertools.pairwise(rows))


def test_a_webhook_is_signed_over_its_raw_body(store):
    press(opened(store), "pay")
    (one,) = store.outbox.all
    event = json.loads(one.body)
    assert (event["id"], event["eventType"], event["object"]["object"]) == (one.id, "checkout.completed", "checkout")
    expected = hmac.new(store.webhook_secret.encode(), one.body, hashlib.sha256).hexdigest()
    assert one.headers["creem-signature"] == expected


def test_deliveries_go_wrong_as_they_are_told_to(store):
    for _ in range(6):
        press(opened(store), "pay")
    numbers = [one.id for one in store.outbox.all]
    heard = []

    def send(body, _headers, status=200):
        heard.append(json.loads(body)["id"])
        return status

    assert store.outbox.deliver(send, delay=1) == []
    store.outbox.deliver(send, delay=1, copies=2, shuffle=random.Random(1), drop=lambda one: one.id == numbers[0])
    assert sorted(heard) == sorted(numbers[1:] * 2)
    assert heard != sorted(heard)
    assert store.outbox.deliver(send) == []
    press(opened(store), "pay")
    for _ in range(9):
        store.outbox.deliver(lambda body, headers: send(body, headers, 500))
    assert heard.count(store.outbox.all[-1].id) == 5


def test_the_demo_sells_the_catalogue_and_delivers(tmp_path, monkeypatch, capsys):
    with FakeCreem() as store:
        (tmp_path / "catalog.toml").write_text(creem_demo.sell(store))
        table = catalog.load(tmp_path / "catalog.toml")
        assert [row.creem_product for row in (*table.packs, *table.plans)] == list(store.shop.products)
        assert table.packs[0].model_copy(update={"creem_product": ""}) == catalog.load(None).packs[0]
        postman = creem_demo.Postman(store, f"{store.url}/nobody")  # whoever answers 404 did not take it
        press(opened(store, "prod_studio"), "delay")
        for now in (0.0, 10.0, 20.0, 20.5, 21.0):
            postman.go_round(now)
        assert [one.tries for one in store.outbox.all] == [2] * 3
        desk = creem_demo.Desk(store)
        for line in ("renew", "refund", "refund", "dispute x", "webhooks", "list", ""):
            desk.onecmd(line)
    said = capsys.readouterr().out
    assert "The transaction can't be refunded" in said
    assert "refund.created" in said


def test_the_demo_runs_by_hand():
    command = [sys.executable, "-m", "tests.fakes.creem_demo"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        told = dict(process.stdout.readline().strip().split("=", 1) for _ in range(4))
        assert list(told) == ["CREEM_API_KEY", "CREEM_WEBHOOK_SECRET", "CREEM_API_BASE", "GESSO_CATALOG"]
        answer = httpx2.get(
            f"{told['CREEM_API_BASE']}/v1/products?product_id=prod_studio",
            headers={"x-api-key": told["CREEM_API_KEY"]}, trust_env=False,
        )  # fmt: skip
        assert answer.json()["billing_period"] == "every-month"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        process.stdout.close()
