"""What a lost race leaves behind: nothing in the storage, nothing at the provider beyond the bound, nobody's lease."""

import asyncio
import datetime

import pytest
from django.db import connection
from django.db.models import F

from gesso.generations import attempts, leasing, lifecycle, pursuit, recovery, runner
from gesso.generations.models import Attempt, Generation, Output
from gesso.images import decoding, orphans, proof, storage
from gesso.images.models import Image
from gesso.moderation.verdict import Verdict
from gesso.providers import protocol
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(pursuit, "STORAGE_PAUSE", 0.01)


def kept(generation: Generation) -> list[str]:
    """Return the keys of everything stored for a generation."""
    prefixes = (f"spool/{generation.id}", f"previews/{generation.id}", f"g/{generation.id}")
    return [found.key for prefix in prefixes for found in storage.current().keys(prefix)]


def test_a_cancel_that_beats_the_answer_leaves_nothing_stored(monkeypatch):
    who = world.person(credits=10)
    generation = world.submit(who)
    monkeypatch.setattr(orphans, "LEFTOVER_AGE", datetime.timedelta(0))

    class Canceling(world.Moderator):
        async def judge_output(self, data, media_type):
            await asyncio.to_thread(cancel)
            return await super().judge_output(data, media_type)

    def cancel():
        try:
            lifecycle.cancel(who.workspace, generation.id, who.user)
        finally:
            connection.close()

    allowed = Verdict(allowed=True, categories=(), source="test")
    ended = world.drive(generation, world.ScriptedProvider(), Canceling(output=allowed))
    assert ended.state == "canceled"
    assert world.available(who) == 10
    assert {key.split("/")[0] for key in kept(generation)} == {"spool", "g"}  # the race was lost after the picture
    recovery.tidy()
    assert kept(generation) == []
    assert [found for found in proof.objects_have_rows() if str(generation.id) in found.subject] == []


def test_tidying_leaves_alone_what_is_in_hand_and_what_was_delivered():
    who = world.person(credits=10)
    done = world.drive(world.submit(who), world.ScriptedProvider())
    spared = kept(done)
    assert len(spared) == 1
    running = world.submit(who, "Still running")
    claim = leasing.claim(running.id, "somebody")
    (step,), _ = attempts.begin(running.id, claim.epoch, seconds=900)
    storage.current().put(step.attempt.spool_key, b"an answer that waits")
    storage.current().put(f"spool/{done.id}/0-7", b"an answer after the end")
    recovery.tidy()
    assert kept(done) == spared
    assert kept(running) == [step.attempt.spool_key]


@pytest.mark.parametrize("order", ["died unknown malformed", "malformed unknown died", "unknown malformed unknown"])
def test_three_calls_at_most_are_paid_for_whatever_goes_wrong(order):
    who = world.person(credits=10)
    generation = world.submit(who)
    calls = 0
    for ending in [*order.split(), "malformed", "unknown"]:
        claim = leasing.claim(generation.id, f"worker {calls}")
        if isinstance(claim, leasing.NotNow):
            break
        steps = attempts.begin if claim.generation.state == "queued" else attempts.resume
        (step,), _ = steps(generation.id, claim.epoch, **({"seconds": 900} if calls == 0 else {}))
        if not step.committed:
            attempts.send_again(step, generation.id, claim.epoch)
        calls += 1
        failure = protocol.ProviderFailure("malformed" if ending == "malformed" else "unknown", "x")
        if attempts.failed(step, generation.id, claim.epoch, failure, sender_died=ending == "died") is None:
            break
        leasing.hand_over(generation.id, claim.epoch, seconds=0)
    assert calls == 3
    assert Output.objects.get(generation=generation).state == "failed"
    assert Attempt.objects.filter(output__generation=generation).count() == 3


def test_a_storage_that_is_away_delays_a_generation_and_costs_it_no_rescue(monkeypatch):
    who = world.person(credits=10)
    image = world.upload(who)
    generation = world.submit(who, references=[{"image_id": str(image.id), "role": "style"}])
    store = storage.current()
    plain, refusals = store.get, iter([storage.Unavailable("away")])

    def get(key):
        for refusal in refusals:
            raise refusal
        return plain(key)

    monkeypatch.setattr(store, "get", get)
    provider = world.ScriptedProvider()
    waiting = world.drive(generation, provider)
    assert (waiting.state, waiting.lease_owner, provider.journal) == ("queued", "", [])
    assert world.drive(generation, provider).state == "succeeded"
    assert Generation.objects.get(id=generation.id).rescues == 0


def test_a_decoder_that_is_away_is_waited_for_and_the_answer_kept(monkeypatch):
    generation = world.submit(world.person(credits=10))
    plain, refusals = decoding.decode, iter([decoding.Unavailable("ended"), decoding.Unavailable("ended")])

    def decode(*words, **more):
        for refusal in refusals:
            raise refusal
        return plain(*words, **more)

    async def jpeg(request, preview):
        return world.picture(request.width, request.height, format="JPEG")

    monkeypatch.setattr(decoding, "decode", decode)
    provider = world.ScriptedProvider(jpeg)
    assert world.drive(generation, provider).state == "succeeded"
    assert len(provider.journal) == 1
    assert next(refusals, None) is None


def test_a_worker_whose_lease_ran_out_can_take_it_again_and_keeps_it():
    """The database was away for longer than a lease: the same worker takes over from itself, and renews the new one."""
    who = world.person(credits=10)
    generation = world.submit(who)
    events: dict[str, asyncio.Event] = {}

    async def hang(request, preview):
        events[f"call {len(provider.journal)}"].set()
        await events["go on"].wait()
        return world.picture(request.width, request.height)

    provider = world.ScriptedProvider(hang, hang)

    async def run() -> None:
        events.update({name: asyncio.Event() for name in ("call 1", "call 2", "go on")})
        made = runner.Runner({"sandbox": provider}, world.Moderator())
        first = asyncio.create_task(made.advance(generation.id))
        await events["call 1"].wait()
        await asyncio.to_thread(let_run_out)
        second = asyncio.create_task(made.advance(generation.id))
        await events["call 2"].wait()
        assert await first == runner.Done()
        assert await asyncio.to_thread(renew, made, asyncio.get_running_loop()) == 1
        events["go on"].set()
        assert await second == runner.Done()
        await made.close()

    def let_run_out():
        Generation.objects.filter(id=generation.id).update(
            lease_expires_at=F("lease_expires_at") - datetime.timedelta(hours=1)
        )
        connection.close()

    def renew(made, loop):
        try:
            return made.renew(loop)
        finally:
            connection.close()

    asyncio.run(run())
    row = Generation.objects.get(id=generation.id)
    assert (row.state, row.rescues) == ("succeeded", 1)
    assert Image.objects.filter(workspace=who.workspace).count() == 1
    assert world.available(who) == 10 - row.price
