"""Creem's API over real HTTP: what each failure becomes, what is read from strange rows, and that no key leaks."""

import datetime

import pytest

from gesso.billing import orders
from gesso.billing.gateways import creem, creem_api, creem_states, protocol
from tests import instance
from tests.billing.gateways.creem_install import install, open_install
from tests.fakes.creem import FakeCreem

__all__ = ["install", "open_install"]


@pytest.fixture(scope="module")
def store():
    with FakeCreem() as made:
        made.shop.add_product("prod_1", 800)
        yield made


@pytest.fixture
def api(store):
    store.server.faults.clear()
    made = creem_api.Api(store.api_key, store.url)
    yield made
    made.close()


def ask(api):
    return api.find("v1/products", product_id="prod_1")


def test_what_is_there_and_what_is_not(api):
    assert ask(api)["price"] == 800
    assert api.find("v1/products", product_id="prod_2") is None
    with pytest.raises(protocol.Refused, match="Product not found"):
        api.post("v1/checkouts", {"product_id": "prod_2"})


@pytest.mark.parametrize(
    "answer",
    [(500, b"{}"), (502, b"<html>"), (429, b'{"message": "slow"}'), (301, b"{}"), (200, b""), (200, b"[]"), (200, b"{"),
     (200, b"null"), (408, b"{}"), "drop"],
)  # fmt: skip
def test_what_may_work_later_is_unavailable(api, store, answer):
    store.server.faults.append(answer)
    with pytest.raises(protocol.Unavailable) as failed:
        ask(api)
    assert store.api_key not in str(failed.value)
    assert ask(api)["price"] == 800


def test_a_refusal_is_told_in_creems_words_and_bounded(api, store):
    store.server.faults.append((400, b'{"message": ["product_id must\\nbe a string", "%s"]}' % (b"x" * 900)))
    with pytest.raises(protocol.Refused, match=r"^Creem refused: product_id must be a string x+$") as failed:
        ask(api)
    assert len(str(failed.value)) < 240


def test_a_wrong_key_is_refused_without_being_told(store):
    wrong = creem_api.Api("creem_test_wrong_key", store.url)
    with pytest.raises(protocol.Refused) as failed:
        ask(wrong)
    wrong.close()
    assert "CREEM_API_KEY" in str(failed.value)
    assert "creem_test_wrong_key" not in str(failed.value)


def test_silence_too_much_and_nobody_there_are_unavailable(store, monkeypatch):
    monkeypatch.setattr(creem_api, "READ_SECONDS", 0.3)
    api = creem_api.Api(store.api_key, store.url)
    store.server.faults.append(1.0)
    with pytest.raises(protocol.Unavailable, match="ReadTimeout"):
        ask(api)
    api.close()
    monkeypatch.setattr(creem_api, "READ_SECONDS", 10)
    api = creem_api.Api(store.api_key, store.url)
    monkeypatch.setattr(creem_api, "LARGEST_ANSWER", 100)
    with pytest.raises(protocol.Unavailable, match="TooMuch"):
        ask(api)
    api.close()
    nobody = creem_api.Api("creem_test", f"http://127.0.0.1:{instance.free_port()}")
    with pytest.raises(protocol.Unavailable, match="ConnectError"):
        ask(nobody)
    nobody.close()


def test_a_search_is_read_to_its_last_page(api, store, monkeypatch):
    with store.shop.lock:
        store.shop.transactions = {str(turn): {"id": str(turn), "created_at": turn} for turn in range(7)}
    monkeypatch.setattr(store.server, "page_rows", 3)
    pages = list(api.pages("v1/transactions/search"))
    assert [[row["id"] for row in page] for page in pages] == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    store.server.faults.append((200, b'{"items": 7}'))
    with pytest.raises(protocol.Unavailable):
        list(api.every("v1/transactions/search"))


def test_pages_that_go_round_in_circles_end(api, store):
    store.server.faults += [(200, b'{"items": [{}], "pagination": {"next_page": 1}}')]
    assert len(list(api.pages("v1/transactions/search"))) == 1


@pytest.mark.parametrize(
    ("base_url", "key", "live", "origins"),
    [
        ("https://api.creem.io", "creem_abc", True, creem.OWN_PAGES),
        ("https://test-api.creem.io/", "creem_test_abc", False, creem.OWN_PAGES),
        ("http://127.0.0.1:9/x", "creem_test_abc", False, ("http://127.0.0.1:9",)),
    ],
)
def test_the_key_says_the_mode_and_the_address_the_pages(base_url, key, live, origins):
    made = creem.Creem(key, "secret", base_url, products={}, book=None)
    made.close()
    assert (made.name, made.live, made.page_origins) == ("creem", live, origins)


NOON = datetime.datetime(2025, 6, 26, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (NOON.timestamp() * 1000, NOON), (NOON.timestamp(), NOON), ("2025-06-26T12:00:00.000Z", NOON),
        ("2025-06-26T12:00:00", NOON), ("2025-06-26T14:00:00+02:00", NOON),
        (None, None), ("", None), ("soon", None), (True, None), (-1, None), (0, None), (1e300, None), ({}, None),
    ],
)  # fmt: skip
def test_times_are_read_however_they_are_told(told, read):
    assert creem_states.moment(told) == read


@pytest.mark.parametrize(
    ("row", "back"),
    [
        ({"status": "paid"}, 0), ({"status": "paid", "refunded_amount": None}, 0), ({"status": "refunded"}, 1000),
        ({"status": "partialRefund", "refunded_amount": 605}, 500), ({"status": "partialRefund", "refunded_amount": 1}, 0),
        ({"status": "refunded", "refunded_amount": 1210}, 1000), ({"status": "paid", "refunded_amount": 9999}, 1000),
        ({"status": "chargeback", "refunded_amount": 1210}, 0),
    ],
)  # fmt: skip
def test_what_went_back_is_counted_before_tax(row, back):
    assert creem_states.refunded({"amount": 1000, "amount_paid": 1210, **row}) == back


@pytest.mark.parametrize("amount", ["800", 8.5, -1, True, [], float("inf"), float("nan")])
def test_what_is_no_amount_is_not_read_as_one(amount):
    with pytest.raises(protocol.Unavailable):
        creem_states.whole({"amount": amount}, "amount")


def test_a_charge_inside_a_month_that_was_paid_is_a_change_however_its_period_is_told():
    day = 24 * 3600 * 1000

    def row(made, *, start=None, end=None, status="paid"):
        period = {name: at * day for name, at in (("period_start", start), ("period_end", end)) if at is not None}
        return {"id": str(made), "created_at": made * day, "status": status, **period}

    months = [row(2000, start=2000, end=2030), row(2030, start=2030, end=2060)]
    changes = [row(2010, start=2010, end=2030), row(2011, start=2000, end=2030), row(2012)]
    told = creem_states.reasons([*months[::-1], *changes, row(1999, status="declined")])
    assert [(one["id"], reason) for one, reason in told] == [
        ("2000", "first"), ("2010", "change"), ("2011", "change"), ("2012", "change"), ("2030", "renewal"),
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_page_that_no_browser_should_follow_is_not_handed_out(install):
    install.store.server.faults += [0.0, (200, b'{"id": "ch_1", "checkout_url": "javascript:alert(1)"}')]
    with pytest.raises(protocol.Unavailable):
        install.order()


@pytest.mark.django_db
def test_what_creem_does_not_know_has_no_state(install):
    for kind in ("checkout", "payment", "subscription"):
        assert install.look(kind, "x_1") == []


@pytest.mark.django_db
def test_an_order_that_failed_at_creem_can_be_tried_again(install):
    install.store.server.faults.append((500, b"{}"))
    with pytest.raises(protocol.Unavailable):
        install.order()
    order = install.order()
    install.press(order, "pay")
    assert orders.look_again(order).state == "paid"
