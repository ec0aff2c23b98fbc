"""TX 1: one commit makes hold, rows, timeline, alarm and notice true together, or none."""

import concurrent.futures
import uuid

import pytest
from django.db import close_old_connections, connection

from gesso.core import ids
from gesso.credits import ledger, queries
from gesso.credits.models import CreditHold
from gesso.generations import spec, submission
from gesso.generations.models import Generation, GenerationEvent, IdempotencyKey, Output
from tests import world

pytestmark = pytest.mark.django_db


def jobs() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'advance'")
        return cursor.fetchone()[0]


def test_a_submission_makes_hold_rows_event_and_alarm() -> None:
    who = world.person(credits=100)
    before = jobs()
    generation = world.submit(who, quality="high", count=2)
    assert (generation.state, generation.price_each, generation.price) == ("queued", 16, 32)
    assert generation.hold.amount == 32
    assert generation.hold.reference == str(generation.id)
    assert Output.objects.filter(generation=generation, state="open").count() == 2
    assert [event.kind for event in GenerationEvent.objects.filter(generation=generation)] == ["submitted"]
    balance = queries.balance(who.workspace.id)
    assert (balance.available, balance.held) == (68, 32)
    assert jobs() == before + 1


def nothing_happened(who: world.Person) -> bool:
    return (
        not Generation.objects.filter(workspace=who.workspace).exists()
        and not CreditHold.objects.filter(workspace=who.workspace).exists()
        and not IdempotencyKey.objects.filter(workspace=who.workspace).exists()
    )


def test_too_few_credits_says_how_many_and_changes_nothing() -> None:
    who = world.person(credits=15)
    with pytest.raises(ledger.InsufficientCredits) as short:
        world.submit(who, quality="high")
    assert (short.value.needed, short.value.available) == (16, 15)
    assert nothing_happened(who)
    assert world.available(who) == 15


def test_several_ratios_are_all_or_none_with_one_total() -> None:
    who = world.person(credits=12)
    specs = [world.wanted(aspect_ratio=ratio) for ratio in ("1:1", "4:5", "16:9", "9:16")]
    with pytest.raises(ledger.InsufficientCredits) as short:
        submission.submit(who.workspace, who.user, specs)
    assert (short.value.needed, short.value.available) == (16, 12)
    assert nothing_happened(who)
    assert len(submission.submit(who.workspace, who.user, specs[:3])) == 3
    assert world.available(who) == 0


def test_the_same_id_twice_is_one_generation() -> None:
    who = world.person(credits=100)
    number = ids.uuid7()
    first = submission.submit(who.workspace, who.user, [world.wanted()], generation_ids=[number])
    again = submission.submit(who.workspace, who.user, [world.wanted()], generation_ids=[number])
    assert first[0].id == again[0].id == number
    assert world.available(who) == 96


def test_somebody_elses_id_is_refused() -> None:
    who, other = world.person(credits=100), world.person(credits=100)
    number = ids.uuid7()
    submission.submit(who.workspace, who.user, [world.wanted()], generation_ids=[number])
    with pytest.raises(submission.IdTaken):
        submission.submit(other.workspace, other.user, [world.wanted()], generation_ids=[number])
    with pytest.raises(submission.IdTaken):
        submission.submit(who.workspace, who.user, [world.wanted("Another picture")], generation_ids=[number])
    assert world.available(other) == 100


def test_an_idempotency_key_repeats_its_generation_and_refuses_another_body() -> None:
    who, other = world.person(credits=100), world.person(credits=100)
    key = submission.Idempotency("order-1", b"a" * 32)
    first = submission.submit(who.workspace, who.user, [world.wanted()], idempotency=key)
    again = submission.submit(who.workspace, who.user, [world.wanted()], idempotency=key)
    assert first[0].id == again[0].id
    with pytest.raises(submission.IdempotencyConflict):
        submission.submit(
            who.workspace, who.user, [world.wanted("x")], idempotency=submission.Idempotency("order-1", b"b" * 32)
        )
    theirs = submission.submit(other.workspace, other.user, [world.wanted()], idempotency=key)
    assert theirs[0].id != first[0].id


def test_another_workspaces_image_is_no_reference() -> None:
    who, other = world.person(credits=100), world.person()
    theirs = world.upload(other)
    with pytest.raises(spec.BadSpec) as bad:
        world.submit(who, references=[{"image_id": str(theirs.id), "role": "style"}])
    with pytest.raises(spec.BadSpec) as missing:
        world.submit(who, references=[{"image_id": str(uuid.uuid4())}])
    assert bad.value.mistakes == missing.value.mistakes
    assert bad.value.mistakes[0].code == "unknown_reference"
    assert nothing_happened(who)


def test_a_suspended_workspace_submits_nothing() -> None:
    who = world.person(credits=100)
    who.workspace.suspended_at = who.workspace.created_at
    who.workspace.save()
    with pytest.raises(submission.Suspended):
        world.submit(who)
    assert nothing_happened(who)


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_with_credit_for_ten() -> None:
    who = world.person(credits=40)
    asked = world.wanted()

    def attempt(_: int) -> bool:
        try:
            submission.submit(who.workspace, who.user, [asked])
        except ledger.InsufficientCredits:
            return False
        finally:
            close_old_connections()
            connection.close()
        return True

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        results = list(pool.map(attempt, range(50)))
    assert sum(results) == 10
    assert Generation.objects.filter(workspace=who.workspace).count() == 10
    assert world.available(who) == 0


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_with_one_key_are_one_generation() -> None:
    who = world.person(credits=400)
    asked = world.wanted()

    def attempt(_: int) -> uuid.UUID:
        try:
            key = submission.Idempotency("once", b"k" * 32)
            return submission.submit(who.workspace, who.user, [asked], idempotency=key)[0].id
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        found = set(pool.map(attempt, range(20)))
    assert len(found) == 1
    assert Generation.objects.filter(workspace=who.workspace).count() == 1
    assert world.available(who) == 396
