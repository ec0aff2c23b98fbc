"""kill -9 of the worker at every step of a generation: the next one goes on within 30 s, and nobody pays for it."""

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

from tests import instance, stand
from tests.instance import until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]


def rescued_after(studio, number: str, killed_at: float) -> float:
    """Return the seconds from the kill to the first rescue, by the timeline."""
    rows = studio.rows(
        "SELECT extract(epoch FROM at) FROM generations_generationevent WHERE generation_id = %s AND kind = 'rescued'",
        number,
    )
    return float(min(rows)[0]) - killed_at


def test_while_it_is_queued(studio):
    studio.kill("worker")
    numbers = [studio.submit(f"Queued without a worker {n}") for n in range(3)]
    studio.kill("worker")
    for row in studio.ended(*numbers):
        assert row["state"] == "succeeded"
        assert row["charged"] == 1
        assert len(studio.calls(row["prompt"])) <= 2
    studio.prove()


def test_while_the_provider_works(studio):
    studio.fake.control(latency=4)
    number = studio.submit("Killed while the provider works", count=2)
    studio.until_called("Killed while the provider works", 2)
    killed_at = time.time()
    studio.kill("worker")
    (row,) = studio.ended(number)
    assert rescued_after(studio, number, killed_at) <= stand.RESCUE_SECONDS
    assert (row["state"], row["charged"], row["released"]) == ("succeeded", 2, 0)
    assert len(studio.calls(row["prompt"])) == 4  # sent again once for each, at the operator's cost
    assert studio.kinds(number).count("rescued") == 1
    studio.prove()


def answered_and_waiting(studio, prompt: str, **settings: object) -> str:
    """Return a generation whose answer is in the spool while moderation of its picture does not answer."""
    studio.fake.control(latency=1.5)
    number = studio.submit(prompt, **settings)
    studio.until_called(prompt)
    studio.fake.control(moderation_latency=600)
    until(lambda: studio.stored(f"spool/{number}"), stand.PATIENCE, "an answer in the spool")
    return number


def test_after_the_answer_and_before_the_end(studio):
    number = answered_and_waiting(studio, "Answered before the kill")
    killed_at = time.time()
    studio.kill("worker")
    studio.fake.control(moderation_latency=0, latency=0)
    (row,) = studio.ended(number)
    assert rescued_after(studio, number, killed_at) <= stand.RESCUE_SECONDS
    assert (row["state"], row["charged"]) == ("succeeded", 1)
    assert len(studio.calls("Answered before the kill")) == 1  # found in the spool, not asked for again
    until(lambda: not studio.stored(f"spool/{number}"), stand.PATIENCE, "an empty spool")
    studio.prove()


def test_a_sender_that_dies_every_time_is_replaced_twice_and_never_charged(studio):
    prompt = "Killed at each try [fake: hang]"
    number = studio.submit(prompt)
    for calls in (1, 2, 3):
        studio.until_called(prompt, calls)
        studio.kill_worker()
    (row,) = studio.ended(number)
    assert (row["state"], row["failure_code"], row["charged"], row["released"]) == ("failed", "interrupted", 0, 1)
    assert len(studio.calls(prompt)) == 3
    studio.prove()


def test_while_renditions_are_made(studio):
    numbers = [studio.submit(f"Killed while it is drawn small {n}", count=4) for n in range(3)]
    for _ in range(3):
        until(lambda: any("delivered" in studio.kinds(number) for number in numbers), stand.PATIENCE, "a delivery")
        studio.kill_worker()
    images = [one["image"]["id"] for row in studio.ended(*numbers) for one in row["outputs"] if one["image"]]
    assert len(images) == 12
    for image in images:
        answer = studio.ask("GET", f"/api/images/{image}/content?variant=thumb")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/webp"
    # The next worker's first tidying makes what nobody asked for; it looks at what is older than a minute.
    studio.rows("UPDATE images_image SET created_at = created_at - interval '2 minutes' WHERE rendered_at IS NULL")
    studio.kill_worker()
    left = "SELECT count(*) FROM images_image WHERE rendered_at IS NULL AND broken_at IS NULL"
    until(lambda: studio.rows(left) == [(0,)], stand.PATIENCE, "all renditions")
    studio.prove()


def test_at_random_moments(studio):
    chance = random.Random(20)
    studio.fake.control(latency=0.7)
    numbers = []
    for n in range(30):
        numbers.append(studio.submit(f"At a random moment {n}", count=chance.choice((1, 1, 2, 4))))
        time.sleep(chance.uniform(0, 0.3))
        if n % 6 == 5:
            time.sleep(chance.uniform(0, 2))
            studio.kill_worker()
    rows = studio.ended(*numbers)
    # Each was interrupted by fewer kills than the rescues it has.
    assert {row["state"] for row in rows} <= {"succeeded", "failed"}
    assert sum(row["state"] == "succeeded" for row in rows) >= 25
    assert {row["failure_code"] for row in rows} <= {None, "interrupted"}
    studio.prove()


@contextlib.contextmanager
def another_worker(studio):
    process = subprocess.Popen(
        [*instance.COMMAND, "worker"], env=studio.gesso.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
        process.terminate()
        process.wait(60)


def test_a_worker_that_froze_and_wakes_up_late_changes_nothing(studio):
    prompt = "Frozen in mid-generation"
    studio.fake.control(latency=3)
    with another_worker(studio):
        number = studio.submit(prompt)
        studio.until_called(prompt)
        ((owner,),) = studio.rows("SELECT lease_owner FROM generations_generation WHERE id = %s", number)
        frozen = int(owner.split(":")[1])
        os.kill(frozen, signal.SIGSTOP)
        try:
            (row,) = studio.ended(number)
            before = studio.generation(number)
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert (row["state"], row["charged"]) == ("succeeded", 1)
        assert len(studio.calls(prompt)) == 2
        # It finds its answer waiting on the socket, and nobody who wants it.
        time.sleep(8)
        assert studio.generation(number) == before
        studio.prove()


def test_sigterm_lets_short_work_end(studio):
    prompt = "Ends within the grace"
    studio.fake.control(latency=3)
    number = studio.submit(prompt)
    studio.until_called(prompt)
    studio.kill("worker", signal.SIGTERM)
    (row,) = studio.ended(number)
    assert (row["state"], row["charged"]) == ("succeeded", 1)
    assert len(studio.calls(prompt)) == 1
    assert "rescued" not in studio.kinds(number)
    studio.prove()


def test_sigterm_hands_long_work_over_and_counts_it_as_no_crash(studio):
    prompt = "Longer than the grace"
    studio.fake.control(latency=25)
    number = studio.submit(prompt)
    studio.until_called(prompt)
    pid = studio.kill("worker", signal.SIGTERM)
    studio.until_called(prompt, 2)
    assert not instance.alive(pid)
    (row,) = studio.ended(number)
    assert (row["state"], row["charged"]) == ("succeeded", 1)
    assert len(studio.calls(prompt)) == 2
    assert "rescued" not in studio.kinds(number)
    assert studio.rows("SELECT rescues FROM generations_generation WHERE id = %s", number) == [(0,)]
    studio.prove()
