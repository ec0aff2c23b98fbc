"""The one verb that drives a generation: `advance`. First run, wake-up, retry and crash recovery all call it.

It claims the lease, looks at the rows and does the next thing. Here and in `pursuit`, and only there, the asynchronous
provider and the synchronous database meet: every await is either the network or one whole transaction in a thread.
Whatever is written carries the lease's epoch; a `Stale` means that somebody else owns the generation now: everything
here stops quietly.
"""

import asyncio
import dataclasses
import datetime
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence

import structlog
from django.db import transaction

from gesso.core import catalog, leases
from gesso.core.transactions import in_thread
from gesso.generations import attempts, leasing, pursuit, settlement, spool
from gesso.generations.models import Generation, GenerationReference
from gesso.images import storage
from gesso.moderation import policy
from gesso.providers import protocol

log = structlog.get_logger()

MODERATION_PATIENCE = 900  # seconds after submission during which an unreachable moderation is asked again


@dataclasses.dataclass(frozen=True)
class Wait:
    """Nothing to do before `until`; the row's alarm is set."""

    until: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Done:
    """Nothing more to do here: it has ended, or somebody else does it."""


class Runner:
    """Everything one worker process needs to advance generations: its name, its providers, its moderator."""

    def __init__(
        self,
        providers: Mapping[str, protocol.Provider],
        moderator: policy.Moderator,
        on_delivery: Callable[[uuid.UUID], None] | None = None,
    ) -> None:
        """`on_delivery`, if any, hears of each delivered image, on the loop: its renditions can be made."""
        self.owner = leases.owner_name()
        self.means = pursuit.Means(moderator, on_delivery)
        self._providers = providers
        self._held: dict[uuid.UUID, asyncio.Task[object]] = {}
        self._held_lock = threading.Lock()
        self._lost: set[asyncio.Task[object]] = set()

    async def advance(self, generation_id: uuid.UUID) -> Wait | Done:
        """Do for a generation what can be done now; returns when to look again, or that there is nothing more."""
        claim, course = await in_thread(self._claim, generation_id)
        if isinstance(claim, leasing.NotNow):
            return Wait(claim.until) if claim.until else Done()
        task = asyncio.current_task()
        assert task is not None
        with self._held_lock:
            before = self._held.get(generation_id)
            self._held[generation_id] = task
        if before:  # our own lease ran out while the database was away, and we are the next owner
            self._stop(before)
        try:
            return await self._advance(claim, course)
        except leasing.Stale:
            return Done()
        except asyncio.CancelledError:
            if task in self._lost:
                task.uncancel()
                return Done()
            # Asked to stop: hand over, so that the next owner begins at once and it counts as no rescue.
            await asyncio.shield(in_thread(leasing.hand_over, generation_id, claim.epoch, seconds=0))
            raise
        finally:
            self._lost.discard(task)
            with self._held_lock:
                if self._held.get(generation_id) is task:
                    del self._held[generation_id]

    def renew(self, loop: asyncio.AbstractEventLoop) -> int:
        """Renew the leases of everything in hand (in the renewer's thread); work on a lost one is stopped on `loop`."""
        with self._held_lock:
            held = dict(self._held)
        if not held:
            return 0
        kept = leasing.renew(self.owner, list(held))
        for generation_id in held.keys() - kept:
            loop.call_soon_threadsafe(self._drop, generation_id, held[generation_id])
        return len(kept)

    def _drop(self, generation_id: uuid.UUID, task: asyncio.Task[object]) -> None:
        if self._held.get(generation_id) is task:
            self._stop(task)

    def _stop(self, task: asyncio.Task[object]) -> None:
        if not task.done():
            self._lost.add(task)
            task.cancel()

    async def close(self) -> None:
        """Give back threads and connections."""
        await self.means.close()
        for provider in self._providers.values():
            await provider.close()

    def _claim(self, generation_id: uuid.UUID) -> "tuple[leasing.Claim | leasing.NotNow, pursuit.Course | None]":
        """Claim a generation; one that needs nothing read and nobody asked first sets out in the same transaction.

        Where that fails the claim is made alone, so that it counts as a rescue when it fails again and again.
        """
        try:
            return self._claim_and_begin(generation_id)
        except Exception:  # whatever it is: what fails in setting out fails again after a claim that counts
            log.exception("a generation could not set out with its claim", generation=str(generation_id))
            return leasing.claim(generation_id, self.owner), None

    @transaction.atomic
    def _claim_and_begin(
        self, generation_id: uuid.UUID
    ) -> "tuple[leasing.Claim | leasing.NotNow, pursuit.Course | None]":
        claim = leasing.claim(generation_id, self.owner)
        if isinstance(claim, leasing.NotNow) or claim.references or self._why_over(claim):
            return claim, None
        generation = claim.generation
        if generation.state != Generation.State.QUEUED:
            return claim, None
        verdict = self.means.moderator.judge_at_once(generation.prompt)
        return claim, _begin(generation.id, claim.epoch) if verdict and verdict.allowed else None

    async def _advance(self, claim: leasing.Claim, begun: pursuit.Course | None) -> Wait | Done:
        generation, epoch = claim.generation, claim.epoch
        if failure_code := self._why_over(claim):
            return await self._end(generation, epoch, failure_code)
        course = begun or await self._set_out(claim)
        if not isinstance(course, pursuit.Course):
            return course
        run = pursuit.Pursuit(self.means, generation, epoch, self._providers[generation.provider], course)
        try:
            async with asyncio.timeout(course.seconds), asyncio.TaskGroup() as group:
                tasks = [group.create_task(run.pursue(step)) for step in course.steps]
        except TimeoutError:
            return await self._end(generation, epoch, "timed_out")
        except BaseExceptionGroup as several:
            if several.subgroup(leasing.Stale):
                raise leasing.Stale(str(generation.id)) from several
            raise
        pauses = [pause for task in tasks if (pause := task.result()) is not None]
        if run.ended:
            return Done()
        if pauses:
            return await self._wait(generation, epoch, min(pauses))
        async with self.means.places.taken(pursuit.Progress.CLOSED):
            return await self._end(generation, epoch, "")

    async def _set_out(self, claim: leasing.Claim) -> "pursuit.Course | Wait | Done":
        """Return what to do for each output; a queued generation is moderated and set running first."""
        generation, epoch = claim.generation, claim.epoch
        try:
            references = await self._references(generation) if claim.references else ()
        except (storage.Missing, storage.Unavailable) as absent:
            return await self._without_references(generation, epoch, absent)
        if generation.state == Generation.State.RUNNING:
            steps, watched = await in_thread(attempts.resume, generation.id, epoch)
            return pursuit.Course(steps, watched, await in_thread(leasing.seconds_left, generation.id), references)
        refusal = await self._moderate(generation, references)
        if isinstance(refusal, float):
            return await self._wait(generation, epoch, refusal)
        if refusal:
            return await self._end(generation, epoch, refusal)
        return await in_thread(_begin, generation.id, epoch, references)

    def _why_over(self, claim: leasing.Claim) -> str:
        """Return the failure code of a generation that must not go on, "" for one that may."""
        if claim.overdue:
            return "queued_too_long" if claim.generation.state == Generation.State.QUEUED else "timed_out"
        if claim.worn_out:
            return "interrupted"
        return "" if claim.generation.provider in self._providers else "provider_unavailable"

    async def _end(self, generation: Generation, epoch: int, failure_code: str) -> Done:
        await in_thread(_settle, generation.id, epoch, failure_code)
        return Done()

    async def _wait(self, generation: Generation, epoch: int, seconds: float) -> Wait | Done:
        until = await in_thread(leasing.hand_over, generation.id, epoch, seconds=seconds)
        return Wait(until) if until else Done()

    async def _without_references(self, generation: Generation, epoch: int, absent: Exception) -> Wait | Done:
        if isinstance(absent, storage.Missing):
            return await self._end(generation, epoch, "reference_unreadable")
        log.warning(
            "the storage did not give a reference; trying again", generation=str(generation.id), exc_info=absent
        )
        return await self._wait(generation, epoch, pursuit.STORAGE_PAUSE)

    async def _references(self, generation: Generation) -> tuple[protocol.Reference, ...]:
        rows = await in_thread(_reference_rows, generation.id)
        return tuple(
            [
                protocol.Reference(
                    data=await self.means.picture_thread(storage.current().get, key),
                    media_type=media_type,
                    role=role,
                )
                for key, media_type, role in rows
            ]
        )

    async def _moderate(self, generation: Generation, references: Sequence[protocol.Reference]) -> str | float:
        """Return "" when it may be sent, a failure code when it may not, or seconds to wait when nobody answers."""
        if generation.moderated_at:
            return ""
        try:
            verdict = await self.means.moderator.judge_request(
                generation.prompt,
                [(reference.data, reference.media_type) for reference in references],
                reference=str(generation.id),
            )
        except policy.Unavailable as unavailable:
            log.warning("moderation did not answer", generation=str(generation.id), reason=str(unavailable))
            if unavailable.final:
                return "moderation_unreadable"
            if await in_thread(leasing.age, generation.id) > MODERATION_PATIENCE:
                return "moderation_unavailable"
            return max(pursuit.MODERATION_PAUSE, unavailable.retry_after or 0.0)
        return "" if verdict.allowed else "moderation_blocked"


def _begin(generation_id: uuid.UUID, epoch: int, references: tuple[protocol.Reference, ...] = ()) -> pursuit.Course:
    seconds = catalog.current().limits.generation_seconds
    steps, watched = attempts.begin(generation_id, epoch, seconds=seconds)
    return pursuit.Course(steps, watched, float(seconds), references)


def _settle(generation_id: uuid.UUID, epoch: int, failure_code: str) -> None:
    """End it, and then throw away what only a running generation needs."""
    settlement.settle(generation_id, epoch, failure_code=failure_code)
    if failure_code != "timed_out":  # then a picture may still be on its way to the storage: recovery tidies up
        spool.clear(generation_id)


def _reference_rows(generation_id: uuid.UUID) -> list[tuple[str, str, str]]:
    rows = GenerationReference.objects.filter(generation_id=generation_id).order_by("position")
    return list(rows.values_list("image__storage_key", "image__media_type", "role"))
