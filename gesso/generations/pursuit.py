"""What a worker does for each open output: ask the provider, spool and prove the answer, judge, store, deliver.

Heavy work on pictures is done in a few threads, by few answers at once, those nearest to their end in front. Who may do
it, and when it is over, is `runner`'s matter.
"""

import asyncio
import concurrent.futures
import dataclasses
import enum
import hashlib
import uuid
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import structlog

from gesso.core import catalog, places
from gesso.core.transactions import in_thread
from gesso.generations import attempts, leasing, outputs, spool
from gesso.generations.models import Generation
from gesso.images import decoding, renditions, storage
from gesso.images.models import Image
from gesso.moderation import policy
from gesso.providers import protocol

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger()

LONG_PAUSE = 20.0  # seconds; a longer one gives the lease back and waits in the database
MODERATION_PAUSE = 5.0
STORAGE_PAUSE = 2.0
PICTURE_THREADS = 3
PLACES = 4  # answers that are worked on at once; the rest wait, those nearest to their end in front


class Progress(enum.IntEnum):
    """How far a generation is when it asks for a place. One that ends without a picture needs none."""

    ANSWERED = 1
    ALLOWED = 2
    STORED = 3
    CLOSED = 4


class Means:
    """What one worker process has to make pictures with: a moderator, threads, places, and who hears of an image."""

    def __init__(self, moderator: policy.Moderator, on_delivery: Callable[[uuid.UUID], None] | None = None) -> None:
        """`on_delivery`, if any, hears of each delivered image, on the loop: its renditions can be made."""
        self.moderator = moderator
        self.places = places.Places(PLACES)
        self._on_delivery = on_delivery
        self._pictures = concurrent.futures.ThreadPoolExecutor(PICTURE_THREADS, thread_name_prefix="pictures")

    async def close(self) -> None:
        """Give back threads and connections."""
        self._pictures.shutdown(wait=False)
        await self.moderator.close()

    async def picture_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run heavy, database-free work on pictures in one of a few threads, so that few are in memory at once."""
        return await asyncio.get_running_loop().run_in_executor(self._pictures, lambda: function(*args, **kwargs))

    async def judge_output(self, proved: outputs.Proved) -> Sequence[str]:
        """Return why a picture must not be seen, in categories (none: it may); waits while nobody answers."""
        while True:
            try:
                verdict = await self.moderator.judge_output(proved.picture.data, proved.proof.media_type)
            except policy.Unavailable as unavailable:
                if unavailable.final:
                    log.error("moderation can't judge an output, which is withheld", reason=str(unavailable))
                    return attempts.UNREADABLE
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
class Course:
    """What lies ahead: a step for each open output, whether somebody watches, the seconds left, the references."""

    steps: Sequence[attempts.Step]
    watched: bool
    seconds: float
    references: tuple[protocol.Reference, ...] = ()


@dataclasses.dataclass
class Pursuit:
    """One generation in hand: what its outputs share while they are pursued at the same time."""

    means: Means
    generation: Generation
    epoch: int
    provider: protocol.Provider
    course: Course
    ended: bool = False  # by the delivery of its last output
    _spooled: set[str] = dataclasses.field(default_factory=set)

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
        means = self.means
        if step.recover:
            proved, image = await means.when_possible(Progress.ANSWERED, self._found, step)
        else:
            raw = await self._send(step)
            proved, image = await means.when_possible(Progress.ANSWERED, self._kept, step, raw)
            del raw  # megabytes that nobody needs any more
        if image is None:
            if categories := await means.judge_output(proved):
                await in_thread(attempts.withheld, step, self.generation.id, self.epoch, proved.picture, categories)
                return
            image = await means.when_possible(Progress.ALLOWED, outputs.store, self.generation, step.index, proved)
        async with means.places.taken(Progress.STORED):
            if await in_thread(_deliver, step, self.generation.id, self.epoch, image, proved):
                self.ended = True
        means.delivered(image.id)

    def _kept(self, step: attempts.Step, raw: protocol.Raw) -> tuple[outputs.Proved, Image | None]:
        """Spool an answer before anything looks at it, and go on with it. Raises ProviderFailure."""
        key = step.attempt.spool_key
        # Where the storage took the answer and not the picture, all of this is tried again.
        if key not in self._spooled:
            spool.write(key, raw)
            self._spooled.add(key)
        return self._proved(step, raw)

    def _found(self, step: attempts.Step) -> tuple[outputs.Proved, Image | None]:
        """Go on with the answer that a sender who died had spooled. Raises ProviderFailure if there is none."""
        raw = spool.read(step.attempt.spool_key)
        if raw is None:
            raise protocol.ProviderFailure("unknown", attempts.SENDER_DIED)
        return self._proved(step, raw)

    def _proved(self, step: attempts.Step, raw: protocol.Raw) -> tuple[outputs.Proved, Image | None]:
        """Prove the picture of an answer, and store it unless somebody has to be asked about it first."""
        proved = outputs.prove(self.provider, raw)
        asked = self.means.moderator.active
        return proved, None if asked else outputs.store(self.generation, step.index, proved)

    async def _send(self, step: attempts.Step) -> protocol.Raw:
        generation, limits, previews = self.generation, catalog.current().limits, catalog.current().previews
        request = protocol.Request(
            attempt=str(step.attempt.id), index=step.index, outputs=generation.count, model=generation.model,
            prompt=generation.prompt,
            width=generation.width, height=generation.height, aspect_ratio=generation.aspect_ratio,
            quality=generation.quality, background=generation.background, format=generation.format,
            references=self.course.references, end_user=hashlib.sha256(generation.workspace_id.bytes).hexdigest()[:32],
            previews=previews.count if self.course.watched and previews.enabled else 0,
            timeout=float(limits.attempt_seconds),
        )  # fmt: skip
        shown = (step.attempt.number - 1) * request.previews  # by earlier tries, at most: theirs stay until the end
        numbers = iter(range(shown + 1, shown + request.previews + 1))

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
            small = await self.means.picture_thread(renditions.shrink, data, catalog.current().previews.side)
            await self.means.picture_thread(storage.current().put, key, small)
            await in_thread(attempts.previewed, self.generation.id, self.epoch, index, number)
        except leasing.Stale:
            raise
        except Exception:  # whatever it is: the picture itself is still to come
            log.exception("a preview was lost", generation=str(self.generation.id), index=index)


def _deliver(step: attempts.Step, generation_id: uuid.UUID, epoch: int, image: Image, proved: outputs.Proved) -> bool:
    """Deliver an output; if that has ended the generation, throw away what only a running one needs."""
    ended = attempts.delivered(step, generation_id, epoch, image, proved)
    if ended:
        spool.clear(generation_id)
    return ended
