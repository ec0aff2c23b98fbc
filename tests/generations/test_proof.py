"""The proofs about generations: each way to break an invariant is named, work in hand within its grace is not."""

import pytest
from django.db import connection

from gesso.core.violations import Violation
from gesso.generations import leasing, lifecycle, proof, settlement
from gesso.generations.models import Generation
from gesso.images.models import Image
from gesso.providers import protocol
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)

ALL = (
    proof.ends_in_time,
    proof.leases_are_taken_over,
    proof.charged_for_what_is_seen,
    proof.slots_are_those_asked_for,
    proof.states_follow_the_graph,
    proof.timelines_are_whole,
    proof.alarms_are_set,
)
OPEN = "UPDATE generations_generation SET {} WHERE id = %s"
EVENT = "UPDATE generations_generationevent SET {} WHERE generation_id = %s AND kind = '{}'"
FIRST = """
UPDATE images_image SET {}
WHERE id = (SELECT image_id FROM generations_output WHERE generation_id = %s AND index = 0)
"""
LINE = """
INSERT INTO generations_generationevent (generation_id, sequence, epoch, at, kind, data)
SELECT %s, {}, 1, now(), '{}', '{{}}'
"""

# What is broken in a queued generation, the statements that break it, and words of the sentence.
QUEUED = {
    "waits too long": ("I-4", [OPEN.format("deadline_at = now() - interval '61 seconds'")], "had until"),
    "waits too long, deadline wrong": (
        "I-4",
        [OPEN.format("created_at = now() - interval '25 hours', deadline_at = now() + interval '1 year'")],
        "queued since",
    ),
    "hold closed early": (
        "I-4",
        [
            "UPDATE credits_credithold SET state = 'closed', released = amount, closed_at = now() WHERE reference = %s::text"
        ],
        "its hold is closed",
    ),
    "lease run out": (
        "I-5",
        [OPEN.format("lease_owner = 'gone:1', lease_expires_at = now() - interval '31 seconds'")],
        "gone:1 let its lease",
    ),
    "slot missing": ("I-10", ["DELETE FROM generations_output WHERE generation_id = %s AND index = 1"], "{0}"),
    "slot beyond": (
        "I-10",
        ["UPDATE generations_output SET index = 2 WHERE generation_id = %s AND index = 1"],
        "{0,2}",
    ),
    "started, yet queued": ("I-12", [OPEN.format("started_at = now()")], "queued and started"),
    "event of an end": ("I-12", [LINE.format(2, "canceled"), OPEN.format("lease_epoch = 1")], "timeline says canceled"),
    "begins in the middle": ("I-12", [EVENT.format("kind = 'running'", "submitted")], "nothing to running"),
    "gap": ("I-13", [EVENT.format("sequence = 2", "submitted")], "numbered from 2"),
    "no timeline": ("I-13", ["DELETE FROM generations_generationevent WHERE generation_id = %s"], "no timeline"),
    "lease of tomorrow": ("I-13", [EVENT.format("epoch = 9", "submitted")], "knows lease 9"),
    "no alarm": (
        "I-17",
        [
            "DELETE FROM procrastinate_jobs WHERE args ->> 'generation_id' = %s::text",
            OPEN.format("created_at = now() - interval '2 minutes', wake_at = now() - interval '61 seconds'"),
        ],
        "nothing will wake it",
    ),
    "job of a dead worker": (
        "I-17",
        [
            "UPDATE procrastinate_jobs SET status = 'doing' WHERE args ->> 'generation_id' = %s::text",
            OPEN.format("created_at = now() - interval '2 minutes', wake_at = NULL"),
        ],
        "nothing will wake it",
    ),
}
# The same for one that ended with both images delivered.
ENDED = {
    "price raised": ("I-9", [OPEN.format("price_each = 5, price = 10")], "charged 8 credits for 2"),
    "picture not shown": (
        "I-9",
        [
            FIRST.format("verdict = 'withheld'"),
        ],
        "for 1 visible",
    ),
    "picture broken, nothing returned": (
        "I-9",
        [
            FIRST.format("broken_at = now()"),
        ],
        "for 1 visible",
    ),
    "left its end": (
        "I-12",
        [LINE.format(6, "running")],
        "from succeeded to running",
    ),
    "worked on after its end": ("I-12", [LINE.format(6, "attempt_failed")], "attempt_failed comes after its end"),
    "step left out": ("I-12", [EVENT.format("kind = 'rescued'", "running")], "from submitted to succeeded"),
    "never started": ("I-12", [OPEN.format("started_at = NULL")], "started never"),
    "lease went back": ("I-13", [EVENT.format("epoch = 0", "succeeded")], "older lease"),
    "delivered untold": ("I-13", [EVENT.format("kind = 'previewed'", "delivered")], "tells of 0"),
    "delivered twice": (
        "I-13",
        [EVENT.format("data = data || '{\"index\": 0}'", "delivered")],
        "2 images were delivered",
    ),
    "job goes on": (
        "I-17",
        [
            "UPDATE procrastinate_jobs SET status = 'doing' WHERE args ->> 'generation_id' = %s::text",
            OPEN.format("ended_at = now() - interval '301 seconds'"),
        ],
        "still at generation",
    ),
}


def found() -> list[Violation]:
    return [violation for prove in ALL for violation in prove()]


def plant(statements: list[str], generation: Generation) -> None:
    with world.without_guards(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, [generation.id] if "%s" in statement else None)


@pytest.mark.parametrize("name", QUEUED)
def test_what_is_broken_in_a_queued_generation_is_named(name: str) -> None:
    invariant, statements, words = QUEUED[name]
    generation = world.submit(world.person(credits=20), count=2)
    assert found() == []
    plant(statements, generation)
    wrong = found()
    assert {violation.invariant for violation in wrong} == {invariant}
    assert {violation.subject for violation in wrong} == {f"generation {generation.id}"}
    assert any(words in violation.sentence for violation in wrong)


@pytest.mark.parametrize("name", ENDED)
def test_what_is_broken_in_an_ended_generation_is_named(name: str) -> None:
    invariant, statements, words = ENDED[name]
    generation = world.submit(world.person(credits=20), count=2)
    assert world.drive(generation, world.ScriptedProvider()).state == "succeeded"
    assert found() == []
    plant(statements, generation)
    wrong = found()
    assert {violation.invariant for violation in wrong} == {invariant}
    assert all(str(generation.id) in violation.subject + violation.sentence for violation in wrong)
    assert any(words in violation.sentence for violation in wrong)


def test_a_hold_that_no_generation_will_end_is_named() -> None:
    generation = world.submit(world.person(credits=20))
    parts = [f"DELETE FROM generations_{table} WHERE generation_id = %s" for table in ("output", "generationevent")]
    plant([*parts, "DELETE FROM generations_generation WHERE id = %s"], generation)
    (wrong,) = found()
    assert (wrong.invariant, wrong.subject) == ("I-4", f"hold {generation.id}")


def test_an_open_hold_of_an_ended_generation_is_named() -> None:
    generation = world.submit(world.person(credits=20))
    world.drive(generation, world.ScriptedProvider(protocol.ProviderFailure("user_input", "x")))
    assert found() == []
    reopen = "UPDATE credits_credithold SET state = 'open', released = 0, closed_at = NULL WHERE reference = %s::text"
    plant([reopen], generation)
    (wrong,) = found()
    assert (wrong.invariant, wrong.sentence) == ("I-4", "it is failed, its hold is open.")


@pytest.mark.parametrize(
    "statement",
    [
        OPEN.format("deadline_at = now() - interval '50 seconds'"),
        OPEN.format("lease_owner = 'slow:1', lease_expires_at = now() - interval '25 seconds'"),
        OPEN.format("created_at = now() - interval '1 hour', wake_at = now() - interval '50 seconds'"),
        OPEN.format("created_at = now() - interval '1 hour', lease_expires_at = now() + interval '9 seconds'"),
    ],
)
def test_what_recovery_will_see_to_is_no_violation(statement: str) -> None:
    generation = world.submit(world.person(credits=20))
    plant(["DELETE FROM procrastinate_jobs", statement], generation)
    assert found() == []


def test_a_living_workers_job_is_an_alarm() -> None:
    generation = world.submit(world.person(credits=20))
    plant([OPEN.format("created_at = now() - interval '2 minutes', wake_at = NULL")], generation)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", cursor.fetchone())
    assert found() == []


def test_every_ending_leaves_the_invariants_whole() -> None:
    who = world.person(credits=200)
    refused = protocol.ProviderFailure("user_input", "x")
    reference = world.upload(who)
    whole = world.submit(who, count=4, references=[{"image_id": str(reference.id), "role": "style"}])
    world.drive(whole, world.ScriptedProvider())
    world.drive(world.submit(who, count=4), world.ScriptedProvider(refused))
    world.drive(world.submit(who), world.ScriptedProvider(refused))
    lifecycle.cancel(who.workspace, world.submit(who, count=2).id, who.user)
    rescued = world.submit(who)
    assert isinstance(leasing.claim(rescued.id, "gone:1"), leasing.Claim)
    Generation.objects.filter(id=rescued.id).update(lease_expires_at=rescued.created_at)
    assert world.drive(rescued, world.ScriptedProvider()).state == "succeeded"
    image = Image.objects.filter(output__generation=whole).first()
    assert image is not None
    assert settlement.withdraw(image.id) == whole.price_each
    retried = lifecycle.retry(who.workspace, who.user, whole.id, only_missing=True)
    assert isinstance(leasing.claim(retried.id, "worker:1"), leasing.Claim)
    world.submit(who)
    assert found() == []
