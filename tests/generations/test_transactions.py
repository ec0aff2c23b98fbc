"""What is one transaction on a generation's way, and what a failure in the middle of it leaves behind."""

import asyncio
import uuid
from typing import Any

import pytest

from gesso.generations import attempts, leasing, pursuit, recovery, runner, settlement
from gesso.generations.models import Output
from gesso.images import storage
from gesso.images.models import Image
from gesso.moderation.verdict import Verdict
from gesso.providers import protocol
from tests import world
from tests.world import let_the_lease_run_out, money

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(pursuit, "STORAGE_PAUSE", 0.01)


def test_a_claim_that_could_not_set_out_is_undone_and_made_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    generation = world.submit(world.person(credits=10))
    begin, calls = attempts.begin, []

    def broken_once(*words: Any, **named: Any) -> Any:
        calls.append(words)
        if len(calls) == 1:
            raise RuntimeError("out of luck")
        return begin(*words, **named)

    monkeypatch.setattr(attempts, "begin", broken_once)
    ended = world.drive(generation, world.ScriptedProvider())
    assert (ended.state, ended.lease_epoch, ended.rescues, len(calls)) == ("succeeded", 1, 0, 2)


def test_one_that_can_never_set_out_is_ended_after_three_rescues(monkeypatch: pytest.MonkeyPatch) -> None:
    who = world.person(credits=10)
    generation = world.submit(who)

    def broken(*_words: object, **_named: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(attempts, "begin", broken)
    for _ in range(leasing.RESCUES):
        with pytest.raises(RuntimeError):
            world.drive(generation, world.ScriptedProvider())
        let_the_lease_run_out(generation)
    with pytest.raises(RuntimeError):
        world.drive(generation, world.ScriptedProvider())
    let_the_lease_run_out(generation)
    ended = world.drive(generation, world.ScriptedProvider())
    assert (ended.state, ended.failure_code) == ("failed", "interrupted")
    assert money(who) == (10, 0)


def test_a_worker_that_sets_out_at_once_asks_the_local_rules_again() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    provider = world.ScriptedProvider()

    class Stricter(world.Moderator):
        def judge_at_once(self, prompt: str) -> Verdict:
            return Verdict(allowed=False, categories=("new",), source="local")

    no = Verdict(allowed=False, categories=("new",), source="local")
    ended = world.drive(generation, provider, Stricter(request=no))
    assert (ended.state, ended.failure_code, provider.journal) == ("failed", "moderation_blocked", [])
    assert money(who) == (10, 0)


def test_a_spool_that_can_not_be_emptied_keeps_no_picture_from_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    generation = world.submit(world.person(credits=10))
    heard: list[uuid.UUID] = []

    def away(*_words: object) -> None:
        raise storage.Unavailable("away")

    async def run() -> None:
        made = runner.Runner({"sandbox": world.ScriptedProvider()}, world.Moderator(), heard.append)  # type: ignore[dict-item, arg-type]  # scripted ones
        try:
            assert isinstance(await made.advance(generation.id), runner.Done)
        finally:
            await made.close()

    with monkeypatch.context() as patch:
        patch.setattr(storage.Directory, "delete", away)
        asyncio.run(run())
    assert [image.id for image in Image.objects.filter(output__generation=generation)] == heard
    assert len(heard) == 1
    recovery.tidy()
    assert not [*storage.current().keys(f"spool/{generation.id}")]


def test_an_answer_is_spooled_once_however_often_its_picture_must_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    generation = world.submit(world.person(credits=10))
    put, keys = storage.Directory.put, []

    def putting(self: storage.Directory, key: str, *parts: bytes) -> None:
        keys.append(key.split("/", maxsplit=1)[0])
        if keys.count("g") in {1, 2} and key.startswith("g/"):
            raise storage.Unavailable("full")
        put(self, key, *parts)

    monkeypatch.setattr(storage.Directory, "put", putting)
    assert world.drive(generation, world.ScriptedProvider()).state == "succeeded"
    assert keys == ["spool", "g", "g", "g"]


def test_the_last_picture_is_delivered_and_paid_in_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    who = world.person(credits=20)
    generation = world.submit(who, count=2)

    def broken(*_words: object, **_named: object) -> None:
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(settlement, "end", broken)
    with pytest.raises(ExceptionGroup):
        world.drive(generation, world.ScriptedProvider())
    assert sorted(Output.objects.filter(generation=generation).values_list("state", flat=True)) == ["delivered", "open"]
    assert Image.objects.filter(workspace=who.workspace).count() == 1
    assert money(who) == (12, 8)


def test_the_spool_is_empty_in_the_end() -> None:
    who = world.person(credits=16)
    generation = world.submit(who, count=2)
    world.drive(generation, world.ScriptedProvider(protocol.ProviderFailure("rate_limited", "x")))
    assert list(storage.current().keys(f"spool/{generation.id}")) == []
