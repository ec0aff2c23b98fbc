"""The worker's rounds: events are handled as they come, failures end no loop, and stopping takes two seconds at most."""

import threading
import time

import pytest
from django.db import connection

from gesso.billing import reconciliation
from gesso.billing.gateways import protocol
from gesso.billing.models import Reconciliation
from gesso.credits import queries
from gesso.webhooks import inbox, rounds
from gesso.webhooks.models import WebhookEvent
from tests import world
from tests.billing import shop
from tests.billing import till as fake
from tests.instance import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def loop(monkeypatch):
    """A running loop that waits little."""
    monkeypatch.setattr(rounds, "EVERY", 0.02)
    monkeypatch.setattr(rounds, "RECONCILE_LOOK", 0.02)
    made = rounds.Loop()
    made.start()
    yield made
    made.stop()
    until(lambda: not any(thread.is_alive() for thread in made._threads), 10, "the threads to end")


def hear(till, number: str, *subjects: protocol.Subject) -> None:
    body = fake.event(number, *subjects)
    inbox.receive(till, body, {"x-signature": fake.sign(body)})


def test_what_comes_is_handled_and_what_does_not_come_is_found(till, loop):
    told, missed = shop.order(world.person()), shop.order(world.person())
    till.know(shop.paid(told))
    hear(till, "evt_1", protocol.Subject("payment", f"pay_{told.id}"))
    until(lambda: queries.balance(told.workspace_id).available == 200)
    until(lambda: WebhookEvent.objects.filter(handled_at__isnull=False).exists())
    until(Reconciliation.objects.filter(ended_at__isnull=False).exists)
    till.know(shop.paid(missed))
    assert queries.balance(missed.workspace_id).available == 0  # the next round is not due for a quarter of an hour
    Reconciliation.objects.update(began_at="2026-01-01T00:00:00Z")
    until(lambda: queries.balance(missed.workspace_id).available == 200)


def test_a_round_that_fails_is_not_the_last(till, loop, monkeypatch):
    failed = threading.Event()

    def fail(*_words: object) -> int:
        failed.set()
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "handle_due", fail)
        assert failed.wait(10)
    made = shop.order(world.person())
    till.know(shop.paid(made))
    hear(till, "evt_1", protocol.Subject("payment", f"pay_{made.id}"))
    until(lambda: queries.balance(made.workspace_id).available == 200)


def test_stopping_does_not_wait_for_all_that_is_due(till, monkeypatch):
    """What waits is left to the next worker, and so are the things that reconciliation has not looked at."""
    looking = threading.Event()

    def slow(_subject: protocol.Subject) -> list[protocol.State]:
        looking.set()
        time.sleep(0.3)
        return []

    monkeypatch.setattr(till, "look", slow)
    for number in range(30):
        till.states[protocol.Subject("payment", f"pay_{number}")] = []
        hear(till, f"evt_{number}", protocol.Subject("payment", f"pay_{number}"))
    made = rounds.Loop()
    made.start()
    assert looking.wait(10)
    made.stop()
    assert not any(thread.is_alive() for thread in made._threads)
    assert WebhookEvent.objects.filter(handled_at__isnull=True).count() >= 25
    assert Reconciliation.objects.get().failed == "The worker was stopped."


def test_a_gateway_that_hangs_does_not_hold_the_worker(till, monkeypatch):
    go_on, looking = threading.Event(), threading.Event()

    def hang(_subject: protocol.Subject) -> list[protocol.State]:
        looking.set()
        go_on.wait(30)
        return []

    monkeypatch.setattr(till, "look", hang)
    hear(till, "evt_1", protocol.Subject("payment", "pay_1"))
    made = rounds.Loop()
    made.start()
    assert looking.wait(10)
    made.stop()
    assert any(thread.is_alive() for thread in made._threads)
    go_on.set()
    for thread in made._threads:
        thread.join(10)


def test_two_workers_share_the_inbox(till):
    """Each event is in one pair of hands."""
    people = [shop.order(world.person()) for _ in range(12)]
    for made in people:
        till.know(shop.paid(made))
        hear(till, f"evt_{made.id}", protocol.Subject("payment", f"pay_{made.id}"))
    handled: list[int] = []

    def work() -> None:
        handled.append(inbox.handle_due())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(handled) == 12
    assert len(till.looked) == 12
    assert all(queries.balance(made.workspace_id).available == 200 for made in people)
    assert reconciliation.run(till).mended == []
