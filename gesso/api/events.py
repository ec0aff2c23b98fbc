"""The workspace's events over the native API: what changed, as it happens, for as long as the key is good.

A notice is only a hint, so each event is read from the rows, a short query through the hop; the stream itself holds no
thread and no connection. Ids are the database's clock: after a pause, everything changed since a minute before the
last id is sent again, so that a client that keeps the newest word about each generation misses nothing.
"""

import dataclasses
import datetime
import time
import uuid
from collections.abc import AsyncIterator, Iterable

import orjson
from django.http import StreamingHttpResponse
from ninja import Router

from gesso.api import keys
from gesso.api.keys import Caller, Request
from gesso.core import clock, transactions
from gesso.credits import queries as credit_queries
from gesso.generations import broadcast
from gesso.generations.models import Generation, GenerationEvent

BEAT_SECONDS = 15.0  # between signs of life
CHECK_SECONDS = 45.0  # between looks at the key (at most 60, REQ-61)
GATHER_SECONDS = 0.05  # what changes together is read together
OVERLAP = datetime.timedelta(minutes=1)
REPLAYED_MOST = 500  # generations sent again after a pause; beyond that the client is told to list them
RETRY_MILLISECONDS = 1000

router = Router(tags=["events"])


@dataclasses.dataclass
class _Changed:
    """What was heard of since the last look at the rows."""

    generations: set[uuid.UUID] = dataclasses.field(default_factory=set)
    balance: bool = False
    resync: bool = False

    @property
    def anything(self) -> bool:
        """Whether there is something to say."""
        return bool(self.generations) or self.balance or self.resync

    def add(self, notice: broadcast.Notice) -> None:
        """Note what a notice is about; previews are for pages."""
        match notice.kind:
            case "generation":
                self.generations.add(uuid.UUID(notice.generation_id))
            case "balance":
                self.balance = True
            case "resync":
                self.resync = True


@router.get(
    "",
    operation_id="stream_events",
    summary="What changes, as it happens",
    openapi_extra={"responses": {200: {"description": "Events", "content": {"text/event-stream": {}}}}},
)
def stream(request: Request) -> StreamingHttpResponse:
    """Send `generation`, `balance` and `resync` events; after Last-Event-ID, first what changed since."""
    last = request.headers.get("Last-Event-ID", "")
    response = StreamingHttpResponse(_lines(request.auth, last), content_type="text/event-stream")
    response["X-Accel-Buffering"] = "no"  # a proxy in front passes each line on at once
    return response


async def _lines(caller: Caller, last: str) -> AsyncIterator[bytes]:
    async with broadcast.HUB.subscribe(caller.workspace.id) as notices:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        yield await transactions.in_thread(_missed, caller.workspace.id, last)
        beat = time.monotonic() + BEAT_SECONDS
        checked = time.monotonic()
        ended = False
        while not ended:
            changed = _Changed()
            try:
                first = await notices.get(max(0.0, beat - time.monotonic()))
                ended = await _gather(notices, first, changed)
            except TimeoutError:
                beat = time.monotonic() + BEAT_SECONDS
                yield b": alive\n\n"
            if time.monotonic() - checked >= CHECK_SECONDS:
                checked = time.monotonic()
                if not await transactions.in_thread(keys.still_valid, caller):
                    return
            if changed.anything:
                yield await transactions.in_thread(_said, caller.workspace.id, changed)


async def _gather(notices: broadcast.Subscription, first: broadcast.Notice | None, changed: _Changed) -> bool:
    """Add `first` and what else is said within a moment to `changed`; return whether the hub has closed."""
    notice, end = first, time.monotonic() + GATHER_SECONDS
    while notice is not None:
        changed.add(notice)
        try:
            notice = await notices.get(max(0.0, end - time.monotonic()))
        except TimeoutError:
            return False
    return True


def _missed(workspace_id: uuid.UUID, last: str) -> bytes:
    """Return what changed since a minute before the event `last`: nothing for a new stream, resync for a strange id."""
    now = clock.now()
    if not last:
        return _number(now) + b"\n"
    try:
        since = datetime.datetime.fromtimestamp(int(last) / 1000, datetime.UTC) - OVERLAP
    except (ValueError, OverflowError, OSError):
        return _event(now, "resync", {})
    rows = GenerationEvent.objects.filter(generation__workspace_id=workspace_id, at__gte=since)
    found = list(rows.order_by("generation_id").values_list("generation_id", flat=True).distinct()[: REPLAYED_MOST + 1])
    if len(found) > REPLAYED_MOST:
        return _event(now, "resync", {})
    return _said(workspace_id, _Changed(set(found), balance=True))


def _said(workspace_id: uuid.UUID, changed: _Changed) -> bytes:
    """Return the events for what changed, read from the rows as they are now."""
    now = clock.now()
    said = [_event(now, "resync", {})] if changed.resync else []
    said += _generations(workspace_id, changed.generations, now)
    if changed.balance:
        balance = credit_queries.balance(workspace_id)
        said.append(
            _event(now, "balance", {"available": balance.available, "held": balance.held, "debt": balance.debt})
        )
    return b"".join(said)


def _generations(workspace_id: uuid.UUID, numbers: Iterable[uuid.UUID], now: datetime.datetime) -> list[bytes]:
    rows = Generation.objects.filter(workspace_id=workspace_id, id__in=numbers).order_by("created_at", "id")
    return [
        _event(now, "generation", {"id": row.id, "state": row.state, "failure_code": row.failure_code or None})
        for row in rows.only("id", "state", "failure_code")
    ]


def _event(at: datetime.datetime, name: str, data: dict[str, object]) -> bytes:
    return _number(at) + f"event: {name}\ndata: {orjson.dumps(data).decode()}\n\n".encode()


def _number(at: datetime.datetime) -> bytes:
    return f"id: {int(at.timestamp() * 1000)}\n".encode()
