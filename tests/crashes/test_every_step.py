"""A crash before and after every single step of a generation, and before and after every step of its rescue.

A step is whatever the runner awaits (a transaction, work on a picture, a call of the provider) and each object that is
put into the storage or deleted from it on the way. From the crash on nothing of that worker has any effect, as after
kill -9; another worker takes over when the lease has run out.
"""

import asyncio
import random
import threading

import pytest
from django.db import connection

from gesso.config import doctor
from gesso.generations import attempts, pursuit, recovery, runner
from gesso.generations.models import Attempt, Generation, Output
from gesso.images import storage
from gesso.moderation.verdict import Verdict
from gesso.providers import protocol
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)

PRICE = 2
# The ways of a generation with two outputs: what the provider does, call by call.
WAYS = {
    "answered": [],
    "refused once, then answered": [protocol.ProviderFailure("unavailable", "503")],
    "broken once, one blocked": [b"no picture", protocol.ProviderFailure("moderation", "no")],
}
MOST_STEPS = 40  # of any way, so that every step is met
ALLOWED = Verdict(allowed=True, categories=(), source="test")


class Crash(BaseException):
    """kill -9."""


class Worker:
    """A worker that dies at a chosen step: before it is done, or right after."""

    def __init__(self, provider, *, at: int, after: bool, judged: bool = False) -> None:
        self.steps = 0
        self._moderator = world.Moderator(request=ALLOWED, output=ALLOWED) if judged else world.Moderator()
        self._at, self._after, self._dead = at, after, False
        self._turn = threading.Lock()
        self._submit = provider.submit
        self._provider = provider

    async def _step(self, awaited):
        try:
            mine = self._begin()
        except Crash:
            awaited.close()
            raise
        done = await awaited
        self._end(mine)
        return done

    def _stored(self, function, *args):
        mine = self._begin()
        done = function(*args)
        self._end(mine)
        return done

    def _begin(self) -> bool:
        with self._turn:  # pictures are worked on in several threads
            if self._dead:
                raise Crash
            self.steps += 1
            mine = self.steps == self._at
            if mine and not self._after:
                self._dead = True
                raise Crash
            return mine

    def _end(self, mine: bool) -> None:
        with self._turn:
            self._dead |= mine
            if self._dead:  # also when it died while this was under way: nobody hears of it
                raise Crash

    def advance(self, generation, monkeypatch) -> None:
        with monkeypatch.context() as patch:
            in_thread, picture_thread = runner.in_thread, pursuit.Means.picture_thread
            for room in (runner, pursuit):
                patch.setattr(room, "in_thread", lambda f, *a, **k: self._step(in_thread(f, *a, **k)))
            patch.setattr(
                pursuit.Means,
                "picture_thread",
                lambda s, f, *a, **k: self._step(picture_thread(s, f, *a, **k)),
            )
            put, delete = storage.Directory.put, storage.Directory.delete
            patch.setattr(storage.Directory, "put", lambda *a: self._stored(put, *a))
            patch.setattr(storage.Directory, "delete", lambda *a: self._stored(delete, *a))
            patch.setattr(self._provider, "submit", lambda *a: self._step(self._submit(*a)))
            asyncio.run(self._advance(generation))

    async def _advance(self, generation) -> None:
        made = runner.Runner({"sandbox": self._provider}, self._moderator)
        try:
            await made.advance(generation.id)
        except BaseException as problem:  # the process is gone: nobody catches anything
            if not self._dead:
                raise
            assert isinstance(problem, (Crash, BaseExceptionGroup)), problem
        finally:
            await made.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(pursuit, "STORAGE_PAUSE", 0.01)


def let_the_lease_run_out(generation) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE generations_generation SET lease_expires_at = now() - interval '1 second'"
            " WHERE id = %s AND lease_expires_at IS NOT NULL",
            [generation.id],
        )


def live(way: str, crashes: list[tuple[int, bool]], monkeypatch, *, judged: bool = False) -> list[int]:
    """Drive a generation through these crashes to its end, prove everything; returns the steps of each life."""
    who = world.person(credits=10)
    generation = world.submit(who, count=2, quality="low")
    provider = world.ScriptedProvider(*WAYS[way])
    steps = []
    for at, after in [*crashes, (0, False)]:
        worker = Worker(provider, at=at, after=after, judged=judged)
        worker.advance(generation, monkeypatch)
        steps.append(worker.steps)
        let_the_lease_run_out(generation)
    prove(who, generation, provider)
    return steps


def prove(who, generation, provider) -> None:
    row = Generation.objects.get(id=generation.id)
    assert row.ended_at, row.state
    delivered = Output.objects.filter(generation=row, state="delivered").count()
    assert world.available(who) == 10 - delivered
    findings, document = doctor.examine()
    assert document["ok"], [found for finding in findings for found in finding.violations]
    assert len(provider.journal) <= Attempt.objects.filter(output__generation=row).count()
    assert not any(Attempt.objects.filter(output__generation=row, state="sending"))
    recovery.tidy()
    left = [found.key for prefix in ("spool", "previews") for found in storage.current().keys(prefix)]
    assert not [key for key in left if str(row.id) in key]
    assert len([*storage.current().keys(f"g/{row.id}")]) == delivered


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("judged", [False, True], ids=["asking nobody", "asking a moderator"])
def test_one_crash_at_each_step(way, after, judged, monkeypatch):
    for at in range(1, MOST_STEPS + 1):
        first, _ = live(way, [(at, after)], monkeypatch, judged=judged)
        if first < at:  # it ended before that step: every step was met
            assert first >= 12
            return
    pytest.fail("there are more steps than were tried")


@pytest.mark.parametrize("seed", range(3))
def test_two_and_three_crashes_in_a_row(seed, monkeypatch):
    chance = random.Random(seed)
    for _ in range(12):
        crashes = [(chance.randint(1, 16), chance.random() < 0.5) for _ in range(chance.choice((2, 3)))]
        live(chance.choice([*WAYS]), crashes, monkeypatch)


def test_an_answer_in_the_spool_survives_every_later_crash(monkeypatch):
    """From the step after the spool on, no crash costs another call."""
    who = world.person(credits=10)
    generation = world.submit(who, count=1, quality="low")
    provider = world.ScriptedProvider()
    worker = Worker(provider, at=4, after=True)  # claim and begin, submit, work on the answer, put it into the spool
    worker.advance(generation, monkeypatch)
    assert [found.key for found in storage.current().keys(f"spool/{generation.id}")]
    for at in (*range(2, 8), 0):  # each rescue dies a step later, the last one not at all
        let_the_lease_run_out(generation)
        Generation.objects.filter(id=generation.id).update(rescues=0)
        Worker(provider, at=at, after=True).advance(generation, monkeypatch)
    assert len(provider.journal) == 1
    prove(who, generation, provider)
    assert world.available(who) == 9
