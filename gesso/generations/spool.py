"""The spool: a provider's raw answer, durable before anything looks at it (law 6), under a key that the attempt gives.

A crash after the write costs nothing: whoever takes the generation over finds the answer here instead of asking again.
"""

import collections
import uuid

import orjson
import structlog
from django.db import connection

from gesso.core import ids
from gesso.generations.models import Generation
from gesso.images import orphans, storage
from gesso.providers import protocol

log = structlog.get_logger()

_KEPT = """
SELECT output.index, output.previews, array_agg(attempt.spool_key)
FROM generations_output AS output JOIN generations_attempt AS attempt ON attempt.output_id = output.id
WHERE output.generation_id = %s GROUP BY output.id
"""


def write(key: str, raw: protocol.Raw) -> None:
    """Store a raw answer durably: one line of JSON about it, then its bytes."""
    line = orjson.dumps({"kind": raw.kind, "request_id": raw.request_id}, option=orjson.OPT_APPEND_NEWLINE)
    storage.current().put(key, line, raw.body)


def read(key: str) -> protocol.Raw | None:
    """Return the raw answer under `key`, or None when there is none."""
    try:
        data = storage.current().get(key)
    except storage.Missing:
        return None
    line, _, body = data.partition(b"\n")
    words = orjson.loads(line)
    return protocol.Raw(kind=words["kind"], body=body, request_id=words["request_id"])


def preview_key(generation_id: uuid.UUID, index: int, number: int) -> str:
    """Return where preview `number` (from 1) of an output is kept while the generation runs."""
    return f"previews/{generation_id}/{index}-{number}.webp"


def clear(generation_id: uuid.UUID) -> None:
    """Delete what only a running generation needs: raw answers and previews.

    It has ended, and that is told to nobody as a failure: what the storage does not delete now, `clear_ended` will.
    """
    store = storage.current()
    with connection.cursor() as cursor:
        cursor.execute(_KEPT, [generation_id])
        kept: list[tuple[int, int, list[str]]] = cursor.fetchall()
    try:
        for index, previews, keys in kept:
            for key in keys:
                store.delete(key)
            for number in range(1, previews + 1):
                store.delete(preview_key(generation_id, index, number))
    except storage.Unavailable:
        log.warning("the spool of an ended generation stays for now", generation=str(generation_id), exc_info=True)


def clear_ended() -> int:
    """Delete what ended generations left in the storage; returns how many objects that were.

    That is the answer that came after a cancel, the picture that lost the race with it, and whatever a crash right
    after the end kept. No row can begin to name any of it: what has ended gets no more images.
    """
    store = storage.current()
    left: dict[uuid.UUID, list[str]] = collections.defaultdict(list)
    for prefix in ("spool", "previews"):
        for found in store.keys(prefix):
            if generation_id := ids.parse(found.key.split("/")[1]):
                left[generation_id].append(found.key)
    ended = Generation.objects.filter(id__in=left, ended_at__isnull=False).values_list("id", flat=True)
    keys: list[str] = []
    for generation_id in ended:
        keys += orphans.nameless(found.key for found in store.keys(f"g/{generation_id}"))
        keys += left[generation_id]  # last, because it is what leads us here again soon after a crash
    for key in keys:
        store.delete(key)
    return len(keys)
