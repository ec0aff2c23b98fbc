"""The door over real HTTP, in front of a running Gesso: size, method, name, signature, the worker, and a lost database."""

import concurrent.futures
import hashlib
import hmac
import json
import time

import httpx2
import psycopg
import pytest

from gesso.config import embedded
from tests import instance
from tests.instance import until

pytestmark = pytest.mark.crash

SECRET = "whsec_of_the_running_one"
CANARY = "canary-7f3a"


@pytest.fixture(scope="module")
def studio(places):
    """A running install with a Stripe that nobody answers for."""
    keys = {"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": SECRET}
    nobody = f"http://127.0.0.1:{instance.free_port()}"
    with instance.running(places(), **keys, STRIPE_API_BASE=nobody) as running:
        yield running


def event(number: str, kind: str = "charge.refunded", **fields: object) -> bytes:
    thing = {"id": f"ch_{number}", "object": "charge", "payment_intent": "pi_1", "note": CANARY}
    told = {"id": f"evt_{number}", "object": "event", "type": kind, "livemode": False, "data": {"object": thing}}
    return json.dumps(told | {"created": int(time.time()), "api_version": "2026-10-28.endive"} | fields).encode()


def signature(body: bytes, secret: str = SECRET, at: float = 0) -> str:
    moment = int(time.time() + at)
    return f"t={moment},v1={hmac.new(secret.encode(), f'{moment}.'.encode() + body, hashlib.sha256).hexdigest()}"


def deliver(studio, body: bytes, *, signed: str | None = None, gateway: str = "stripe") -> httpx2.Response:
    headers = {"content-type": "application/json", "stripe-signature": signature(body) if signed is None else signed}
    address = f"{studio.url}/webhooks/{gateway}"
    return httpx2.post(address, content=body, headers=headers, timeout=30, trust_env=False)


def rows(studio, query: str) -> list[tuple]:
    place = embedded.location(studio.data_dir)
    url = psycopg.conninfo.make_conninfo(user=embedded.ROLE, dbname=embedded.DATABASE, host=str(place.socket_dir))
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def stored(studio, number: str) -> int:
    ((count,),) = rows(studio, f"SELECT count(*) FROM webhooks_webhookevent WHERE external_id = 'evt_{number}'")
    return count


def test_ten_deliveries_at_once_are_answered_and_stored_once(studio):
    body = event("many")
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = [*pool.map(lambda _: deliver(studio, body).status_code, range(10))]
    assert answers == [202] * 10
    assert stored(studio, "many") == 1


def test_the_worker_looks_at_once_and_says_why_it_can_not(studio):
    assert deliver(studio, event("late")).status_code == 202
    query = "SELECT tries, failed FROM webhooks_webhookevent WHERE external_id = 'evt_late' AND failed <> ''"
    ((tries, failed),) = until(lambda: rows(studio, query), 60, "the worker to try")
    assert (tries, bool(failed)) == (1, True)
    assert CANARY not in failed


def test_what_is_forged_leaves_no_trace(studio):
    body = event("forged")
    for signed in (
        "", "t=1", "v1=abc", signature(b"another body"), signature(body, ""), signature(body, "another"),
        signature(body, at=-400), signature(body, at=400),
    ):  # fmt: skip
        answer = deliver(studio, body, signed=signed)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_signature"), signed
    assert stored(studio, "forged") == 0


def test_what_is_too_large_is_refused_before_it_is_read(studio):
    body = event("large", padding="x" * 256 * 1024)
    assert deliver(studio, body).status_code == 413
    assert stored(studio, "large") == 0


@pytest.mark.parametrize("gateway", ["creem", "test", "nobody"])
def test_a_gateway_that_is_not_in_use_has_no_door(studio, gateway):
    assert deliver(studio, event("elsewhere"), gateway=gateway).status_code == 404


def test_nothing_else_than_a_post_is_heard(studio):
    assert studio.get("/webhooks/stripe").status_code == 405


def test_an_event_of_the_other_mode_and_a_strange_one_are_kept_and_nothing_is_asked(studio):
    assert deliver(studio, event("live", livemode=True)).status_code == 202
    assert deliver(studio, event("odd", "tax.rate.born")).status_code == 202
    query = "SELECT due_at, tries FROM webhooks_webhookevent WHERE external_id IN ('evt_live', 'evt_odd')"
    assert rows(studio, query) == [(None, 0)] * 2


def test_nothing_of_it_is_in_the_log(studio):
    signed = signature(event("logged"))
    deliver(studio, event("logged"), signed=signed)
    said = "\n".join([*studio.said, *studio.complained])
    assert [word for word in (CANARY, SECRET, signed, "sk_test_x") if word in said] == []


def test_a_gateway_is_told_to_come_again_while_the_database_is_away(places):
    keys = {"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": SECRET}
    with instance.running(places(), **keys, STRIPE_API_BASE="http://127.0.0.1:9") as running:
        place = embedded.location(running.data_dir)
        url = psycopg.conninfo.make_conninfo(user=embedded.ROLE, dbname="postgres", host=str(place.socket_dir))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {embedded.DATABASE} ALLOW_CONNECTIONS false")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [embedded.DATABASE]
            )
            assert deliver(running, event("away")).status_code >= 500
            connection.execute(f"ALTER DATABASE {embedded.DATABASE} ALLOW_CONNECTIONS true")
        until(lambda: deliver(running, event("away")).status_code == 202, 60, "the database")
        assert stored(running, "away") == 1
