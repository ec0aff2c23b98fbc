"""Renditions off the path: full decode right after delivery. A broken picture is withdrawn and its price returned.

Each worker renders what it delivered, a few at a time, from a list in memory: an image without `rendered_at` says what
is left to do, so a worker that dies loses nothing. What others left over is looked for once a minute.

A rendition costs as much processor as six deliveries, and a picture is seen without it: while deliveries follow each
other closely it waits, for a while (measured by `benchmarks`, part steady: the p99 is a tenth of what it is otherwise).
"""

import asyncio
import time
import uuid

import structlog
from django.db import connection

from gesso.core.transactions import in_thread
from gesso.generations import settlement
from gesso.images import renditions
from gesso.images.models import Image

AT_ONCE = 2
CALM_SECONDS = 0.1  # without a delivery: only then a rendition begins
PATIENCE_SECONDS = 20.0  # after which it begins in any case
LOOK_SECONDS = 60.0
LATE_SECONDS = 60  # an image that has waited so long was left over by somebody

log = structlog.get_logger()

_LEFT_OVER = """
SELECT id FROM images_image
WHERE rendered_at IS NULL AND broken_at IS NULL AND verdict = 'allowed'
  AND created_at < now() - %s * interval '1 second' AND created_at > now() - interval '7 days'
ORDER BY created_at DESC LIMIT 100
"""


class Renderer:
    """One worker's renditions: `ask` for an image's, and `run` until canceled. Both belong to the worker's loop."""

    def __init__(self) -> None:
        self._asked: asyncio.Queue[tuple[uuid.UUID, float]] = asyncio.Queue()
        self._waiting: set[uuid.UUID] = set()
        self._last_delivery = -CALM_SECONDS

    def ask(self, image_id: uuid.UUID) -> None:
        """Render this image, delivered a moment ago, as soon as its turn comes."""
        self._last_delivery = time.monotonic()
        self._add(image_id)

    def _add(self, image_id: uuid.UUID) -> None:
        if image_id not in self._waiting:
            self._waiting.add(image_id)
            self._asked.put_nowait((image_id, time.monotonic()))

    async def run(self) -> None:
        """Render what is asked for, and look for what was left over."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            for _ in range(AT_ONCE):
                group.create_task(self._render())

    async def _render(self) -> None:
        while True:
            image_id, asked_at = await self._asked.get()
            await self._calm(asked_at + PATIENCE_SECONDS)
            try:
                await in_thread(render, image_id)
            except Exception:  # whatever one picture does to us, the worker and the other pictures go on
                log.exception("renditions were not made; they will be tried again", image=str(image_id))
            finally:
                self._waiting.discard(image_id)

    async def _calm(self, latest: float) -> None:
        """Return when deliveries have paused, or at `latest`."""
        while (now := time.monotonic()) < latest and (pause := self._last_delivery + CALM_SECONDS - now) > 0:  # noqa: ASYNC110 (a pause is no event)
            await asyncio.sleep(pause)

    async def _look(self) -> None:
        while True:
            for image_id in await in_thread(left_over):
                self._add(image_id)
            await asyncio.sleep(LOOK_SECONDS)


def left_over() -> list[uuid.UUID]:
    """Return images whose renditions nobody seems to be making."""
    with connection.cursor() as cursor:
        cursor.execute(_LEFT_OVER, [LATE_SECONDS])
        return [row[0] for row in cursor.fetchall()]


def render(image_id: uuid.UUID) -> None:
    """Make the renditions of an image, or withdraw it. Harmless when done before or twice at once."""
    image = Image.objects.filter(id=image_id, rendered_at=None, broken_at=None, verdict=Image.Verdict.ALLOWED).first()
    if image is None:
        return
    try:
        renditions.make(image, later=True)
    except renditions.Undecodable as broken:
        returned = settlement.withdraw(image_id)
        log.warning(
            "a picture proved broken and was withdrawn",
            image=str(image_id),
            reason=str(broken),
            returned=returned,
        )
        return
