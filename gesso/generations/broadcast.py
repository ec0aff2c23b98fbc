"""Notices: "generation X changed", sent with the transaction that changed it and heard by pages and waiting calls.

Nobody has to think of them: every line of a timeline and every entry of the ledger says so itself (triggers in the
migrations called `announced`). A notice is a hint and may be lost; whoever hears one looks at the rows. One LISTEN
connection for each process; a slow listener is told to resync instead of being waited for.
"""

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator
from typing import Any

import orjson
import psycopg
import structlog
from django.conf import settings
from django.db import connection

from gesso.core.transactions import PatientConnection

CHANNEL = "gesso"
WAITING_MOST = 64  # notices waiting for one listener before it must resync

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True)
class Notice:
    """`kind` is generation, preview, balance or resync; `data` holds (index, number) of a preview."""

    kind: str
    generation_id: str = ""
    data: tuple[int, ...] = ()


def announce_preview(workspace_id: uuid.UUID, generation_id: uuid.UUID, index: int, number: int) -> None:
    """Say, with this transaction, that preview `number` of output `index` can be fetched."""
    words = {"w": str(workspace_id), "k": "preview", "g": str(generation_id), "d": [index, number]}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, orjson.dumps(words).decode()])


class Subscription:
    """One listener's notices, in order. Iterating ends when the hub closes."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Notice | None] = asyncio.Queue(WAITING_MOST)

    def offer(self, notice: Notice | None) -> None:
        """Add a notice; a listener that is too slow loses what waits and is told to resync (None ends it)."""
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            if notice is not None:
                notice = Notice("resync")
        self._queue.put_nowait(notice)

    async def get(self, within: float) -> Notice | None:
        """Return the next notice, None at the end; raises TimeoutError after `within` seconds of silence."""
        async with asyncio.timeout(within):
            return await self._queue.get()


class Hub:
    """All listeners of this process, by workspace, fed by one LISTEN connection that heals itself."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._task: asyncio.Task[None] | None = None
        self.closed = False

    async def open(self) -> None:
        """Begin to listen."""
        self.closed = False
        self._task = asyncio.create_task(self._listen(), name="notices")

    def close(self) -> None:
        """End every subscription at once; to be called on the loop when the process is asked to stop."""
        self.closed = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.offer(None)

    async def aclose(self) -> None:
        """Close, and wait until the LISTEN connection is gone."""
        self.close()
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @contextlib.asynccontextmanager
    async def subscribe(self, workspace_id: uuid.UUID) -> AsyncIterator[Subscription]:
        """Hear the notices of one workspace for as long as the block lasts."""
        subscription = Subscription()
        group = self._subscriptions.setdefault(str(workspace_id), set())
        group.add(subscription)
        if self.closed:
            subscription.offer(None)
        try:
            yield subscription
        finally:
            group.discard(subscription)
            if not group and self._subscriptions.get(str(workspace_id)) is group:
                del self._subscriptions[str(workspace_id)]

    async def _listen(self) -> None:
        pause = 0.1
        while True:
            try:
                async with await PatientConnection.connect(**connection_words(), autocommit=True) as listening:
                    await listening.execute(f"LISTEN {CHANNEL}")
                    if pause > 0.1:  # whatever was said meanwhile was missed
                        self._tell_all(Notice("resync"))
                    pause = 0.1
                    async for notify in listening.notifies():
                        self._tell(notify.payload)
            except psycopg.Error as lost:
                log.warning("the notice connection was lost; listening again", pause=pause, reason=repr(lost))
            except Exception:  # whatever it is: who stops listening is deaf without a word
                log.exception("listening for notices failed; trying again", pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    def _tell(self, payload: str) -> None:
        try:
            words: dict[str, Any] = orjson.loads(payload)
            workspace, notice = words["w"], Notice(words["k"], words.get("g", ""), tuple(words.get("d", ())))
        except (ValueError, TypeError, KeyError, AttributeError):
            log.warning("a notice that nobody understands", payload=payload[:200])
            return
        for subscription in self._subscriptions.get(workspace, ()):
            subscription.offer(notice)

    def _tell_all(self, notice: Notice) -> None:
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.offer(notice)


def connection_words() -> dict[str, Any]:
    """Return psycopg's words for a plain connection to our database, outside Django's pool."""
    known = settings.DATABASES["default"]
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    words = {word: known[name] for name, word in names.items() if known.get(name)}
    extra = {key: value for key, value in known["OPTIONS"].items() if isinstance(value, str)}
    return {**extra, **words, "application_name": "gesso-notices"}


HUB = Hub()
