"""The webhook storm: ten events, each told never, once or thrice, in any order, late: the books end as the gateway's."""

import os
import random
import threading

import pytest
from django.db import connection, transaction

from gesso.billing import proof, reconciliation, registry
from gesso.billing.models import Mismatch, Payment, Subscription
from gesso.core import clock
from gesso.credits import proof as books
from gesso.credits import queries
from gesso.webhooks import inbox
from gesso.webhooks import proof as heard
from tests import world
from tests.billing import shop
from tests.billing.storm import Storm
from tests.billing.till import Till, event, sign

SEQUENCES = int(os.environ.get("SEQUENCES", "500"))
SEED = int(os.environ.get("SEED", "3"))
SHARES = 4  # so that both workers of a test run have some


@pytest.fixture
def calm(monkeypatch):
    """A workspace that has ordered two packs and a plan from a gateway that knows nothing yet."""
    till = Till()
    monkeypatch.setattr(registry, "configured", lambda: {till.name: till})
    who = world.person()
    return till, who, [shop.order(who), shop.order(who)], shop.order(who, "plan")


def prove(storm: Storm, seed: int) -> None:
    """Compare what is ours with the model, to the credit."""
    rows = Payment.objects.filter(workspace=storm.who.workspace)
    ours = {row.external_id: (row.credits, row.claimed, row.refunded, row.dispute) for row in rows}
    assert ours == storm.expected(), seed
    assert [row for row in rows if row.taken_back != row.claimed] == [], seed
    wallet = queries.balance(storm.who.workspace.id)
    kept = sum(credits_ - gone for credits_, gone, *_ in ours.values())
    assert wallet.available - wallet.debt == kept - storm.spent, seed
    (line,) = queries.statement(storm.who.workspace.id, limit=1).lines
    assert line.balance_after == wallet.available, seed
    plan = Subscription.objects.get(workspace=storm.who.workspace)
    (truth,) = storm.till.states[next(known for known in storm.till.states if known.kind == "subscription")]
    assert (plan.plan, plan.state, plan.cancels_at_period_end) == (truth.item, truth.state, truth.cancels_at_period_end)
    storm.who.workspace.refresh_from_db()
    limit = {"ended": None, "studio": 8, "team": 20}["ended" if plan.state == "ended" else plan.plan]
    assert storm.who.workspace.concurrent == limit, seed
    assert not Mismatch.objects.filter(seen_at__isnull=True).exists(), seed
    proofs = (books.conservation, books.never_negative, books.holds_end_once, proof.paid_once, heard.heard_once)
    assert [found for check in proofs for found in check()] == [], seed


@pytest.mark.django_db
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("share", range(SHARES))
def test_whatever_is_told_in_whatever_order_the_books_are_the_gateways(calm, share, monkeypatch):
    till, who, packs, plan = calm
    still = clock.now()  # in one transaction it stands still anyhow, and is asked for seventy times in each sequence
    monkeypatch.setattr(clock, "now", lambda: still)
    mended = 0
    for seed in range(share, SEQUENCES, SHARES):
        till.states.clear()
        with transaction.atomic():
            storm = Storm(till, who, packs, plan, random.Random(f"{SEED} {seed}"))
            storm.blow()
            mended += len(reconciliation.run(till).mended)
            prove(storm, seed)
            if seed % 5 == 0:
                assert reconciliation.run(till).mended == [], seed
            transaction.set_rollback(True)
    assert mended > SEQUENCES / SHARES / 4  # much was missed, or this has tested less than it says


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(3))
def test_four_who_handle_the_same_events_at_once_end_the_same(calm, seed):
    till, who, packs, plan = calm
    storm = Storm(till, who, packs, plan, random.Random(seed))
    failures: list[Exception] = []
    for number, step in enumerate(storm.story()):
        bodies = [event(f"evt_{number}_{turn}", subject) for turn, subject in enumerate(step())]
        for body in bodies:
            inbox.receive(till, body, {"x-signature": sign(body)})
        numbers = list(inbox.WebhookEvent.objects.values_list("id", flat=True))
        barrier = threading.Barrier(4)

        def work(turn: int, numbers: list[int] = numbers, barrier: threading.Barrier = barrier) -> None:
            try:
                mixed = random.Random(turn).sample(numbers, len(numbers))
                barrier.wait()
                for one in mixed:
                    inbox.handle(one)
            except Exception as problem:  # noqa: BLE001 (told below, by the test's own thread)
                failures.append(problem)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert not inbox.WebhookEvent.objects.exclude(failed="").exists()
    reconciliation.run(till)
    prove(storm, seed)
