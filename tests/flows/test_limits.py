"""Four at once, the fifth in line; and the time that is over: ended, charged for what was seen, given back the rest."""

import pytest

from tests import stand
from tests.instance import until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def install(shared_fake, places):
    """The shipped limit of four at once, and little time."""
    data_dir = places()
    limits = {"concurrent_free": 4, "attempt_seconds": 20, "generation_seconds": 10}
    with stand.standing(data_dir, shared_fake, stand.catalogue(data_dir, **limits)) as made:
        yield made


def states(studio, numbers) -> list[str]:
    return [studio.generation(number)["state"] for number in numbers]


def test_four_run_and_the_others_wait_their_turn(studio):
    studio.fake.control(latency=6)
    numbers = [studio.submit(f"In line {n}") for n in range(6)]
    until(lambda: states(studio, numbers).count("running") == 4, stand.PATIENCE, "four at work")
    assert states(studio, numbers).count("queued") == 2
    studio.until_called("In line 3")
    assert studio.calls("In line 4") == studio.calls("In line 5") == []
    rows = studio.ended(*numbers)
    assert [row["state"] for row in rows] == ["succeeded"] * 6
    moments = [(row["started_at"], 1) for row in rows] + [(row["ended_at"], -1) for row in rows]
    at_once = most = 0
    for _, step in sorted(moments):
        at_once += step
        most = max(most, at_once)
    assert most == 4
    assert [row["id"] for row in sorted(rows, key=lambda row: row["started_at"])][4:] == numbers[4:]
    studio.prove()


def test_the_deadline_ends_what_never_answers(studio):
    number = studio.submit("Never answered [fake: hang]", count=2)
    (row,) = studio.ended(number)
    assert (row["state"], row["failure_code"], row["charged"], row["released"]) == ("failed", "timed_out", 0, 2)
    studio.prove()


def test_the_deadline_keeps_what_was_delivered(studio):
    number = studio.submit("Answered once of twice [fake: hang times=1]", count=2)
    (row,) = studio.ended(number)
    assert (row["state"], row["charged"], row["released"]) == ("succeeded", 1, 1)
    assert sorted(one["state"] for one in row["outputs"]) == ["delivered", "failed"]
    studio.prove()


def test_what_waited_too_long_in_line_ends_unsent(studio):
    studio.kill("worker")
    number = studio.submit("A day in line")
    studio.rows("UPDATE generations_generation SET deadline_at = now() WHERE id = %s AND state = 'queued'", number)
    (row,) = studio.ended(number)
    assert (row["state"], row["failure_code"], row["charged"]) == ("failed", "queued_too_long", 0)
    assert studio.calls("A day in line") == []
    studio.prove()
