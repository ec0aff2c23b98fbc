"""Waiting for a generation to end without a thread and without a connection: notices, and a slow look as a fallback.

Each look is one short query through the hop, so hundreds of waiting calls share a handful of connections.
"""

import time
import uuid

import structlog
from django.db import InterfaceError, OperationalError

from gesso.core import catalog, transactions
from gesso.generations import broadcast
from gesso.generations.models import Generation

LOOK_SECONDS = 10.0  # between looks while no notice comes: a notice is a hint and may be lost
QUEUE_SECONDS = 300  # beyond a generation's own time, for its turn to come

log = structlog.get_logger()


async def until_ended(workspace_id: uuid.UUID, generation_id: uuid.UUID) -> None:
    """Return when the generation has ended, or after as long as a client may reasonably wait."""
    end = time.monotonic() + catalog.current().limits.generation_seconds + QUEUE_SECONDS
    async with broadcast.HUB.subscribe(workspace_id) as notices:
        while not await transactions.in_thread(_ended, generation_id):
            if await _quiet(notices, str(generation_id), end):
                return


async def _quiet(notices: broadcast.Subscription, number: str, end: float) -> bool:
    """Return False when it is time to look again, True when there is nothing more to wait for."""
    look = min(end, time.monotonic() + LOOK_SECONDS)
    while True:
        try:
            notice = await notices.get(max(0.0, look - time.monotonic()))
        except TimeoutError:
            return look == end
        if notice is None:
            return True
        if notice.kind == "resync" or (notice.kind == "generation" and notice.generation_id == number):
            return False


def _ended(generation_id: uuid.UUID) -> bool:
    try:
        return Generation.objects.filter(id=generation_id, ended_at__isnull=False).exists()
    except (OperationalError, InterfaceError):
        log.warning("the database did not say whether a generation has ended", generation=str(generation_id))
        return False  # a restart of Postgres takes seconds, the generation goes on after it
