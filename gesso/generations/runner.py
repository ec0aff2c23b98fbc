"""The one verb that drives a generation: `advance`. First run, wake-up, retry and crash recovery all call it.

It claims the lease, looks at the rows and does the next thing. Here, and only here, the asynchronous provider and the
synchronous database meet: every await is either the network or one whole transaction in a thread. Whatever is written
carries the lease's epoch; a `Stale` means that somebody else owns the generation now: everything here stops quietly.
"""

import asyncio
import concurrent.futures
import dataclasses
import datetime
import enum
import hashlib
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

import structlog

from gesso.core import catalog, leases, places
from gesso.core.transactions import in_thread
from gesso.generations import attempts, leasing, outputs, settlement, spool
from gesso.generations.models import Generation, GenerationReference
from gesso.images import decoding, renditions, storage
from gesso.images.models import Image
from gesso.moderation import policy
from gesso.providers import protocol

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger()

LONG_PAUSE = 20.0  # seconds; a longer one gives the lease back and waits in the database
MODERATION_PAUSE = 5.0
MODERATION_PATIENCE = 900  # seconds after submission during which an unreachable moderation is asked again
STORAGE_PAUSE = 2.0
PICTURE_THREADS = 3
PLACES = 4  # answers that are worked on at once; the rest wait, those nearest to their end in front


class Progress(enum.IntEnum):
    """How far a generation is when it asks for a place. One that ends without a picture needs none."""

    ANSWERED = 1
    ALLOWED = 2
    STORED = 3
    CLOSED = 4


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
        self._on_delivery = on_delivery
        self._providers = providers
        self._moderator = moderator
        self._held: dict[uuid.UUID, asyncio.Task[object]] = {}
        self._held_lock = threading.Lock()
        self._lost: set[asyncio.Task[object]] = set()
        self._pictures = concurrent.futures.ThreadPoolExecutor(PICTURE_THREADS, thread_name_prefix="pictures")
        self.places = places.Places(PLACES)

    async def advance(self, generation_id: uuid.UUID) -> Wait | Done:
        """Do for a generation what can be done now; returns when to look again, or that there is nothing more."""
        claim = await in_thread(leasing.claim, generation_id, self.owner)
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
            return await self._advance(claim)
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
        self._pictures.shutdown(wait=False)
        await self._moderator.close()
        for provider in self._providers.values():
            await provider.close()

    async def _advance(self, claim: leasing.Claim) -> Wait | Done:
        generation, epoch = claim.generation, claim.epoch
        provider = self._providers.get(generation.provider)
        if provider is None or claim.overdue or claim.worn_out:
            return await self._end(generation, epoch, _why_over(claim))
        try:
            references = await self._references(generation) if claim.references else ()
        except (storage.Missing, storage.Unavailable) as absent:
            return await self._without_references(generation, epoch, absent)
        course = await self._set_out(generation, epoch, references)
        if not isinstance(course, _Course):
            return course
        previews = course.watched and catalog.current().previews.enabled
        run = _Run(self, generation, epoch, provider, references, previews=previews)
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
        async with self.places.taken(Progress.CLOSED):
            return await self._end(generation, epoch, "")

    async def _set_out(
        self, generation: Generation, epoch: int, references: Sequence[protocol.Reference]
    ) -> "_Course | Wait | Done":
        """Return what to do for each output; a queued generation is moderated and set running first."""
        if generation.state == Generation.State.RUNNING:
            steps, watched = await in_thread(attempts.resume, generation.id, epoch)
            return _Course(steps, watched, await in_thread(leasing.seconds_left, generation.id))
        refusal = await self._moderate(generation, references)
        if isinstance(refusal, float):
            return await self._wait(generation, epoch, refusal)
        if refusal:
            return await self._end(generation, epoch, refusal)
        seconds = catalog.current().limits.generation_seconds
        steps, watched = await in_thread(attempts.begin, generation.id, epoch, seconds=seconds)
        return _Course(steps, watched, float(seconds))

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
        return await self._wait(generation, epoch, STORAGE_PAUSE)

    async def _references(self, generation: Generation) -> tuple[protocol.Reference, ...]:
        rows = await in_thread(_reference_rows, generation.id)
        return tuple(
            [
                protocol.Reference(
                    data=await self.picture_thread(storage.current().get, key),
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
            verdict = await self._moderator.judge_request(
                generation.prompt,
                [(reference.data, reference.media_type) for reference in references],
                reference=str(generation.id),
            )
        except policy.Unavailable as unavailable:
            log.warning("moderation did not answer", generation=str(generation.id), reason=str(unavailable))
            if await in_thread(leasing.age, generation.id) > MODERATION_PATIENCE:
                return "moderation_unavailable"
            return max(MODERATION_PAUSE, unavailable.retry_after or 0.0)
        return "" if verdict.allowed else "moderation_blocked"

    async def picture_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run heavy, database-free work on pictures in one of a few threads, so that few are in memory at once."""
        return await asyncio.get_running_loop().run_in_executor(self._pictures, lambda: function(*args, **kwargs))

    async def judge_output(self, proved: outputs.Proved) -> Sequence[str]:
        """Return the categories for which a picture must not be seen (none: it may); waits while nobody answers."""
        while True:
            try:
                verdict = await self._moderator.judge_output(proved.picture.data, proved.proof.media_type)
            except policy.Unavailable as unavailable:
                log.warning("moderation of an output did not answer", reason=str(unavailable))
                await asyncio.sleep(max(MODERATION_PAUSE, unavailable.retry_after or 0.0))
            else:
                return () if verdict.allowed else (verdict.categories or ("policy",))

    def delivered(self, image_id: uuid.UUID) -> None:
        """Tell who waits for it that an image is there."""
        if self._on_delivery:
            self._on_delivery(image_id)

    async def when_possible(self, progress: Progress, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Use storage or decoder; while there is none, what we have is kept, and tried again until the deadline."""
        while True:
            try:
                async with self.places.taken(progress):
                    return await self.picture_thread(function, *args, **kwargs)
            except (OSError, storage.Unavailable, decoding.Unavailable):
                log.exception("a picture could not be stored, read or opened; trying again")
                await asyncio.sleep(STORAGE_PAUSE)


@dataclasses.dataclass(frozen=True)
class _Course:
    """What lies ahead: a step for each open output, whether somebody watches, and the seconds that are left."""

    steps: Sequence[attempts.Step]
    watched: bool
    seconds: float


def _why_over(claim: leasing.Claim) -> str:
    """Return the failure code of a generation that must not go on."""
    if claim.overdue:
        return "queued_too_long" if claim.generation.state == Generation.State.QUEUED else "timed_out"
    return "interrupted" if claim.worn_out else "provider_unavailable"


@dataclasses.dataclass
class _Run:
    """One generation in hand: what its outputs share while they are pursued at the same time."""

    runner: Runner
    generation: Generation
    epoch: int
    provider: protocol.Provider
    references: tuple[protocol.Reference, ...]
    previews: bool
    ended: bool = False  # by the delivery of its last output

    async def pursue(self, first: attempts.Step) -> float | None:
        """Try until the output is delivered or has failed (None), or must pause long (the seconds)."""
        step: attempts.Step | None = first
        while step is not None:
            if step.pause > LONG_PAUSE:
                return step.pause
            await asyncio.sleep(step.pause)
            if not step.committed:
                await in_thread(attempts.send_again, step, self.generation.id, self.epoch)
            try:
                await self._try(step)
            except protocol.ProviderFailure as failure:
                died = step.recover and failure.code == attempts.SENDER_DIED
                step = await in_thread(attempts.failed, step, self.generation.id, self.epoch, failure, sender_died=died)
            else:
                step = None
        return None

    async def _try(self, step: attempts.Step) -> None:
        runner, provider, key = self.runner, self.provider, step.attempt.spool_key
        if step.recover:
            proved = await runner.when_possible(Progress.ANSWERED, _found, provider, key)
        else:
            raw = await self._send(step)
            proved = await runner.when_possible(Progress.ANSWERED, _kept, provider, key, raw)
            del raw  # megabytes that nobody needs any more
        if categories := await runner.judge_output(proved):
            await in_thread(attempts.withheld, step, self.generation.id, self.epoch, proved.picture, categories)
            return
        image = await runner.when_possible(Progress.ALLOWED, outputs.store, self.generation, step.index, proved)
        async with runner.places.taken(Progress.STORED):
            self.ended = await in_thread(_deliver, step, self.generation.id, self.epoch, image, proved)
        runner.delivered(image.id)

    async def _send(self, step: attempts.Step) -> protocol.Raw:
        generation, limits = self.generation, catalog.current().limits
        request = protocol.Request(
            attempt=str(step.attempt.id), index=step.index, outputs=generation.count, model=generation.model,
            prompt=generation.prompt,
            width=generation.width, height=generation.height, aspect_ratio=generation.aspect_ratio,
            quality=generation.quality, background=generation.background, format=generation.format,
            references=self.references, end_user=hashlib.sha256(generation.workspace_id.bytes).hexdigest()[:32],
            previews=catalog.current().previews.count if self.previews else 0, timeout=float(limits.attempt_seconds),
        )  # fmt: skip
        numbers = iter(range(1, request.previews + 1))

        async def preview(data: bytes) -> None:
            number = next(numbers, None)
            if number is not None:
                await self._show_preview(step.index, number, data)

        try:
            async with asyncio.timeout(request.timeout):
                return await self.provider.submit(request, preview)
        except TimeoutError as late:
            raise protocol.ProviderFailure("unknown", "timeout") from late

    async def _show_preview(self, index: int, number: int, data: bytes) -> None:
        """Store and announce a partial picture. A lost one is cosmetic: what fails here is logged and forgotten."""
        key = spool.preview_key(self.generation.id, index, number)
        try:
            small = await self.runner.picture_thread(renditions.shrink, data, catalog.current().previews.side)
            await self.runner.picture_thread(storage.current().put, key, small)
            await in_thread(attempts.previewed, self.generation.id, self.epoch, index, number)
        except leasing.Stale:
            raise
        except Exception:
            log.exception("a preview was lost", generation=str(self.generation.id), index=index)


def _kept(provider: protocol.Provider, key: str, raw: protocol.Raw) -> outputs.Proved:
    """Spool an answer before anything looks at it, and then prove its picture. Raises ProviderFailure."""
    spool.write(key, raw)
    return outputs.prove(provider, raw)


def _found(provider: protocol.Provider, key: str) -> outputs.Proved:
    """Prove the picture in the answer that a sender who died had spooled. Raises ProviderFailure if there is none."""
    raw = spool.read(key)
    if raw is None:
        raise protocol.ProviderFailure("unknown", attempts.SENDER_DIED)
    return outputs.prove(provider, raw)


def _deliver(
    step: attempts.Step, generation_id: uuid.UUID, epoch: int, image: Image, proved: outputs.Proved
) -> bool:
    """Deliver an output; if that has ended the generation, throw away what only a running one needs."""
    ended = attempts.delivered(step, generation_id, epoch, image, proved)
    if ended:
        spool.clear(generation_id)
    return ended


def _settle(generation_id: uuid.UUID, epoch: int, failure_code: str) -> None:
    """End it, and then throw away what only a running generation needs."""
    settlement.settle(generation_id, epoch, failure_code=failure_code)
    if failure_code != "timed_out":  # then a picture may still be on its way to the storage: recovery tidies up
        spool.clear(generation_id)


def _reference_rows(generation_id: uuid.UUID) -> list[tuple[str, str, str]]:
    rows = GenerationReference.objects.filter(generation_id=generation_id).order_by("position")
    return list(rows.values_list("image__storage_key", "image__media_type", "role"))
