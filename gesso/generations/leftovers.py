"""What deaths leave in the storage, deleted every few hours: writes that never ended, pictures that no row names.

Listing a big bucket takes a request for each thousand objects, so it is done rarely, by one worker, in a thread of its
own. Invariant: nothing is deleted that a row names, or that a row may yet come to name. An upload goes by the row that
it wrote beforehand, an output by its generation, which has ended. What no row of ours tells of stays: it may be another
install's, and `doctor` reports it.
"""

import threading
from collections.abc import Iterable

import structlog
from django.db import connection, transaction

from gesso.core import clock, ids
from gesso.generations.models import Generation
from gesso.images import orphans, storage
from gesso.images.models import UnfinishedUpload

EVERY_HOURS = 3  # so that there are some tries between the two ages of `orphans`
NAME = "leftovers"

log = structlog.get_logger()

_CLAIM = """
INSERT INTO generations_heartbeat (name, at, data) VALUES (%s, now(), '{}')
ON CONFLICT (name) DO UPDATE SET at = now() WHERE generations_heartbeat.at <= now() - %s * interval '1 hour'
RETURNING name
"""


def clear_if_due() -> threading.Thread | None:
    """Begin to clear in the background if it is time to and no other worker has begun; returns the thread."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [NAME, EVERY_HOURS])
        if cursor.fetchone() is None:
            return None
    thread = threading.Thread(target=_run, name=NAME, daemon=True)
    thread.start()
    return thread


def clear() -> int:
    """Delete what nothing needs and nothing will; returns how many objects that were. Raises storage.Unavailable."""
    store = storage.current()
    before = clock.now() - orphans.SWEPT_AGE
    deleted = store.delete_unfinished(before)
    listed = [key for key, _ in orphans.among(store.keys("g"), before=before)]
    for key in _outputs(listed):
        store.delete(key)
        deleted += 1
    for key in UnfinishedUpload.objects.filter(begun_at__lt=before).values_list("storage_key", flat=True):
        deleted += _clear_upload(key)
    if deleted:
        log.warning("deleted what nothing needs from the storage", count=deleted)
    return deleted


@transaction.atomic
def _clear_upload(key: str) -> bool:
    """Delete the bytes of an upload that has died, and its note; one that only slept waits, and hears so."""
    note = UnfinishedUpload.objects.select_for_update().filter(storage_key=key).first()
    if note is None:
        return False
    storage.current().delete(key)
    note.delete()
    return True


def _outputs(keys: Iterable[str]) -> set[str]:
    """Return those that no delivery will name: what has ended gets no more images, and has all that it got."""
    owners = {key: owner for key in keys if storage.is_key(key) and (owner := ids.parse(key.split("/")[1]))}
    ended = set(Generation.objects.filter(id__in=owners.values(), ended_at__isnull=False).values_list("id", flat=True))
    # Looked at once more: the one that has just ended may have been delivered since its key was looked up.
    return orphans.nameless(key for key, owner in owners.items() if owner in ended)


def _run() -> None:
    try:
        clear()
    except Exception:  # the storage or the database may be away: the next round tries again
        log.exception("leftovers were not cleared")
    finally:
        connection.close()
