"""`advance` through every ending: delivered, partly, failed, retried, withheld, canceled, taken over, worn out."""

import asyncio
import datetime
import uuid

import pytest
from django.db import connection
from django.db.models import F

from gesso.generations import attempts, leasing, lifecycle, pursuit, runner, settlement, spool
from gesso.generations.models import Attempt, Generation, GenerationEvent, Output
from gesso.images import storage
from gesso.images.models import Image
from gesso.moderation import policy
from gesso.moderation.verdict import Verdict
from gesso.providers import protocol
from tests import world
from tests.world import let_the_lease_run_out, money

pytestmark = pytest.mark.django_db(transaction=True)
NO = Verdict(allowed=False, categories=("sexual",), source="test")
NEVER = policy.Unavailable("answered 413", final=True)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(pursuit, "STORAGE_PAUSE", 0.01)


def kinds(generation: Generation) -> list[str]:
    return list(
        GenerationEvent.objects.filter(generation=generation).order_by("sequence").values_list("kind", flat=True)
    )


def failure(kind: protocol.Kind, code: str = "x", **words: object) -> protocol.ProviderFailure:
    return protocol.ProviderFailure(kind, code, **words)  # type: ignore[arg-type]


def test_delivered_images_are_charged_and_kept_byte_for_byte() -> None:
    who = world.person(credits=20)
    generation = world.submit(who, count=4)
    pictures = [world.picture(1024, 1024, colour) for colour in ("red", "green", "blue", "white")]
    provider = world.ScriptedProvider(*pictures)
    ended = world.drive(generation, provider)
    assert (ended.state, ended.failure_code) == ("succeeded", "")
    assert money(who) == (4, 0)
    assert len(provider.journal) == 4
    assert len({request.attempt for request in provider.journal}) == 4
    stored = [output.image for output in Output.objects.filter(generation=generation).select_related("image")]
    assert sorted(storage.current().get(image.storage_key) for image in stored) == sorted(pictures)
    assert kinds(generation) == ["submitted", "running", *["delivered"] * 4, "succeeded"]


def test_partial_delivery_charges_what_was_delivered() -> None:
    who = world.person(credits=16)
    generation = world.submit(who, count=4)
    ended = world.drive(generation, world.ScriptedProvider(failure("user_input")))
    assert ended.state == "succeeded"
    assert money(who) == (4, 0)
    ended.hold.refresh_from_db()
    assert (ended.hold.captured, ended.hold.released) == (12, 4)


@pytest.mark.parametrize(
    ("kind", "calls", "code"),
    [
        ("moderation", 1, "moderation_blocked"),
        ("user_input", 1, "provider_refused"),
        ("operator", 1, "provider_unavailable"),
        ("rate_limited", 9, "provider_busy"),
        ("unavailable", 5, "provider_unavailable"),
        ("unknown", 2, "provider_no_answer"),
        ("malformed", 2, "bad_picture"),
    ],
)
def test_each_failure_is_tried_as_often_as_the_table_says_and_costs_nothing(
    kind: protocol.Kind, calls: int, code: str
) -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    provider = world.ScriptedProvider(*[failure(kind, raw="what the provider said")] * 20)
    ended = world.drive(generation, provider)
    assert (ended.state, ended.failure_code, len(provider.journal)) == ("failed", code, calls)
    assert money(who) == (10, 0)
    assert Attempt.objects.filter(output__generation=generation).count() == calls
    assert set(Attempt.objects.values_list("raw_error", flat=True)) == {"what the provider said"}


def test_a_retry_that_succeeds_is_charged_once() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    ended = world.drive(generation, world.ScriptedProvider(failure("rate_limited"), failure("unavailable")))
    assert (ended.state, money(who)) == ("succeeded", (6, 0))


def test_a_long_retry_after_waits_in_the_database() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    waiting = world.drive(generation, world.ScriptedProvider(failure("rate_limited", retry_after=120.0)))
    assert (waiting.state, waiting.lease_owner, waiting.lease_expires_at) == ("running", "", None)
    assert waiting.wake_at is not None
    assert waiting.wake_at > waiting.created_at + datetime.timedelta(seconds=60)
    too_early = world.ScriptedProvider()
    world.drive(generation, too_early)
    assert too_early.journal == []
    Generation.objects.filter(id=generation.id).update(wake_at=None)
    Attempt.objects.update(retry_at=F("sent_at"))
    assert world.drive(generation, world.ScriptedProvider()).state == "succeeded"
    assert money(who) == (6, 0)


def test_a_broken_picture_is_never_delivered() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    whole = world.picture(256, 256)
    ended = world.drive(generation, world.ScriptedProvider(whole[:-30], whole[:200]))
    assert (ended.state, ended.failure_code, money(who)) == ("failed", "bad_picture", (10, 0))
    assert not Image.objects.filter(origin="output").exists()


def test_a_blocked_prompt_never_reaches_the_provider() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    provider = world.ScriptedProvider()
    no = Verdict(allowed=False, categories=("violence",), source="test")
    ended = world.drive(generation, provider, world.Moderator(request=no))
    assert (ended.state, ended.failure_code, provider.journal) == ("failed", "moderation_blocked", [])
    assert money(who) == (10, 0)


def test_moderation_that_does_not_answer_fails_closed() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    provider = world.ScriptedProvider()
    away = world.Moderator(request=policy.Unavailable("away", retry_after=None))
    waiting = world.drive(generation, provider, away)
    assert (waiting.state, provider.journal) == ("queued", [])
    assert waiting.wake_at is not None
    old = datetime.timedelta(seconds=runner.MODERATION_PATIENCE + 1)
    Generation.objects.filter(id=generation.id).update(wake_at=None, created_at=F("created_at") - old)
    ended = world.drive(generation, provider, away)
    assert (ended.failure_code, provider.journal, money(who)) == ("moderation_unavailable", [], (10, 0))


def test_what_moderation_can_never_judge_ends_at_once() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    provider = world.ScriptedProvider()
    lost = world.Moderator(request=policy.Unavailable("moderation answered 400", final=True))
    ended = world.drive(generation, provider, lost)
    assert (ended.failure_code, provider.journal, money(who)) == ("moderation_unreadable", [], (10, 0))


@pytest.mark.parametrize(("judged", "code"), [(NO, "output_withheld"), (NEVER, "output_unreadable")])
def test_an_output_that_may_not_be_seen_is_withheld_and_not_charged(judged, code) -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    ended = world.drive(generation, world.ScriptedProvider(), world.Moderator(output=judged))
    assert (ended.failure_code, money(who)) == (code, (10, 0))
    assert not Image.objects.filter(origin="output").exists()
    assert not any(key.key.startswith("g/") for key in storage.current().keys(f"g/{generation.id}"))


def test_cancel_in_mid_generation_keeps_what_was_delivered_and_drops_the_late_answer() -> None:
    who = world.person(credits=16)
    generation = world.submit(who, count=2)

    async def cancel_then_answer(request: protocol.Request, _preview: object) -> bytes:
        await _until_delivered(generation.id)
        await asyncio.to_thread(_cancel, who, generation.id)
        return world.picture(request.width, request.height, "red")

    ended = world.drive(generation, world.ScriptedProvider(cancel_then_answer))
    assert ended.state == "canceled"
    assert money(who) == (12, 0)
    assert Output.objects.filter(generation=generation, state="delivered").count() == 1
    assert Image.objects.filter(origin="output").count() == 1
    with pytest.raises(lifecycle.AlreadyEnded):
        lifecycle.cancel(who.workspace, generation.id, who.user)


async def _until_delivered(generation_id: uuid.UUID) -> None:
    while not await asyncio.to_thread(_delivered, generation_id):  # noqa: ASYNC110 (it waits for another process's rows)
        await asyncio.sleep(0.02)


def _delivered(generation_id: uuid.UUID) -> bool:
    try:
        return Output.objects.filter(generation_id=generation_id, state="delivered").exists()
    finally:
        connection.close()


def _cancel(who: world.Person, generation_id: uuid.UUID) -> None:
    try:
        lifecycle.cancel(who.workspace, generation_id, who.user)
    finally:
        connection.close()


def test_cancel_while_queued_returns_everything() -> None:
    who = world.person(credits=16)
    generation = world.submit(who, count=2)
    lifecycle.cancel(who.workspace, generation.id, who.user)
    provider = world.ScriptedProvider()
    assert world.drive(generation, provider).state == "canceled"
    assert (provider.journal, money(who)) == ([], (16, 0))


def test_an_answer_in_the_spool_is_not_asked_for_again() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    claim = leasing.claim(generation.id, "dead:1")
    assert isinstance(claim, leasing.Claim)
    steps, _ = attempts.begin(generation.id, claim.epoch, seconds=900)
    spool.write(steps[0].attempt.spool_key, protocol.Raw(kind="test", body=world.picture(), request_id="r"))
    let_the_lease_run_out(generation)
    provider = world.ScriptedProvider()
    ended = world.drive(generation, provider)
    assert (ended.state, provider.journal, money(who)) == ("succeeded", [], (6, 0))
    assert "rescued" in kinds(generation)


def test_a_dead_senders_request_is_sent_again_at_most_twice() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    claim = leasing.claim(generation.id, "dead:1")
    assert isinstance(claim, leasing.Claim)
    steps, _ = attempts.begin(generation.id, claim.epoch, seconds=900)
    for _ in range(2):
        let_the_lease_run_out(generation)
        claim = leasing.claim(generation.id, "dead:1")
        assert isinstance(claim, leasing.Claim)
        steps, _ = attempts.resume(generation.id, claim.epoch)
        assert steps[0].recover
        died = failure("unknown", attempts.SENDER_DIED)
        again = attempts.failed(steps[0], generation.id, claim.epoch, died, sender_died=True)
        assert again is not None
        attempts.send_again(again, generation.id, claim.epoch)
    let_the_lease_run_out(generation)
    provider = world.ScriptedProvider()
    ended = world.drive(generation, provider)
    assert (ended.state, ended.failure_code, provider.journal) == ("failed", "interrupted", [])
    assert Attempt.objects.filter(output__generation=generation).count() == 3
    assert money(who) == (10, 0)


def test_after_three_rescues_it_is_ended() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    for _ in range(4):
        assert isinstance(leasing.claim(generation.id, "dead:1"), leasing.Claim)
        let_the_lease_run_out(generation)
    provider = world.ScriptedProvider()
    ended = world.drive(generation, provider)
    assert (ended.state, ended.failure_code, provider.journal) == ("failed", "interrupted", [])
    assert not Attempt.objects.filter(output__generation=generation).exists()
    assert money(who) == (10, 0)


def test_a_hand_over_is_no_rescue() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    for _ in range(6):
        claim = leasing.claim(generation.id, "worker:1")
        assert isinstance(claim, leasing.Claim)
        assert leasing.hand_over(generation.id, claim.epoch, seconds=0)
    assert world.drive(generation, world.ScriptedProvider()).state == "succeeded"
    assert Generation.objects.get(id=generation.id).rescues == 0


def test_a_stale_epoch_changes_nothing_anywhere() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    claim = leasing.claim(generation.id, "zombie:1")
    assert isinstance(claim, leasing.Claim)
    steps, _ = attempts.begin(generation.id, claim.epoch, seconds=900)
    let_the_lease_run_out(generation)
    assert isinstance(leasing.claim(generation.id, "worker:2"), leasing.Claim)
    before = list(Generation.objects.filter(id=generation.id).values()), kinds(generation)
    step, died = steps[0], failure("unknown")
    for write in (
        lambda: attempts.begin(generation.id, claim.epoch, seconds=900),
        lambda: attempts.resume(generation.id, claim.epoch),
        lambda: attempts.failed(step, generation.id, claim.epoch, died),
        lambda: attempts.send_again(step, generation.id, claim.epoch),
        lambda: attempts.fail_output(step, generation.id, claim.epoch, "internal"),
        lambda: attempts.previewed(generation.id, claim.epoch, 0, 1),
        lambda: attempts.withheld(step, generation.id, claim.epoch, protocol.Picture(data=b""), ()),
        lambda: settlement.settle(generation.id, claim.epoch),
    ):
        with pytest.raises(leasing.Stale):
            write()
    assert leasing.hand_over(generation.id, claim.epoch, seconds=0) is None
    assert (list(Generation.objects.filter(id=generation.id).values()), kinds(generation)) == before
    assert money(who) == (6, 4)


def test_two_workers_never_hold_the_same_generation() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    assert isinstance(leasing.claim(generation.id, "worker:1"), leasing.Claim)
    assert isinstance(leasing.claim(generation.id, "worker:2"), leasing.NotNow)


def test_a_free_workspace_runs_four_at_once_and_the_fifth_waits_its_turn() -> None:
    who = world.person(credits=100)
    queued = [world.submit(who) for _ in range(5)]
    claims = [leasing.claim(generation.id, "worker:1") for generation in queued]
    assert [isinstance(claim, leasing.Claim) for claim in claims] == [True] * 4 + [False]
    assert leasing.next_in_line(who.workspace.id) == [queued[4].id]
    settlement.settle(queued[0].id, claims[0].epoch)  # type: ignore[union-attr]
    with connection.cursor() as cursor:
        cursor.execute("SELECT args ->> 'generation_id' FROM procrastinate_jobs ORDER BY id DESC LIMIT 1")
        assert cursor.fetchone()[0] == str(queued[4].id)
    assert isinstance(leasing.claim(queued[4].id, "worker:1"), leasing.Claim)


def test_past_its_deadline_it_ends_and_keeps_what_was_delivered() -> None:
    who = world.person(credits=16)
    generation = world.submit(who, count=2)

    async def never(_request: object, _preview: object) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        made = runner.Runner({"sandbox": world.ScriptedProvider(None, never)}, world.Moderator())  # type: ignore[dict-item, arg-type]
        task = asyncio.create_task(made.advance(generation.id))
        await _until_delivered(generation.id)
        task.cancel()
        await asyncio.wait([task])
        await made.close()

    asyncio.run(run())
    Generation.objects.filter(id=generation.id).update(deadline_at=F("created_at"), wake_at=None)
    ended = world.drive(generation, world.ScriptedProvider())
    assert (ended.state, ended.failure_code, money(who)) == ("succeeded", "timed_out", (12, 0))


def test_a_broken_delivered_picture_is_withdrawn_and_paid_back_once() -> None:
    who = world.person(credits=16)
    generation = world.submit(who, count=2)
    world.drive(generation, world.ScriptedProvider())
    assert money(who) == (8, 0)
    image = Image.objects.filter(origin="output").first()
    assert image is not None
    assert settlement.withdraw(image.id) == 4
    assert settlement.withdraw(image.id) == 0
    assert money(who) == (12, 0)
    assert sorted(Output.objects.filter(generation=generation).values_list("state", flat=True)) == [
        "delivered",
        "withdrawn",
    ]


def test_retry_keeps_prompt_settings_and_references() -> None:
    who = world.person(credits=100)
    reference = world.upload(who)
    generation = world.submit(
        who, "A jug", quality="high", count=2, references=[{"image_id": str(reference.id), "role": "style"}]
    )
    world.drive(generation, world.ScriptedProvider(failure("user_input"), failure("user_input")))
    again = lifecycle.retry(who.workspace, who.user, generation.id)
    assert (again.prompt, again.quality, again.count, again.parent_id) == ("A jug", "high", 2, generation.id)
    assert [(row.image_id, row.role) for row in again.references.all()] == [(reference.id, "style")]


def test_previews_are_announced_while_it_runs_and_deleted_at_the_end() -> None:
    who = world.person(credits=10)
    generation = world.submit(who)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO generations_watch (workspace_id, until) VALUES (%s, now() + interval '1 minute')",
            [who.workspace.id],
        )
    seen: list[str] = []

    async def with_previews(request: protocol.Request, preview: protocol.Preview) -> bytes:
        assert request.previews == 2
        await preview(world.picture(900, 900))
        seen.extend(stored.key for stored in await asyncio.to_thread(_previews, generation.id))
        if len(seen) == 1:
            raise protocol.ProviderFailure("unknown", "gone", raw="")
        return world.picture(request.width, request.height)

    ended = world.drive(generation, world.ScriptedProvider(with_previews, with_previews))
    assert ended.state == "succeeded"
    first, next_try = (f"previews/{generation.id}/0-{number}.webp" for number in (1, 3))
    assert (seen[:1], sorted(seen[1:])) == ([first], [first, next_try])
    assert list(storage.current().keys(f"previews/{generation.id}")) == []


def _previews(generation_id: uuid.UUID) -> list[storage.StoredObject]:
    return list(storage.current().keys(f"previews/{generation_id}"))
