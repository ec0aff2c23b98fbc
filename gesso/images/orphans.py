"""Which stored objects nothing needs: one rule for `doctor`, which reports them (I-7), and for the sweep of outputs.

A death between the storage and the database leaves them: a picture without its row, a write that never ended.
"""

import datetime
import itertools
import uuid
from collections.abc import Iterable, Iterator

from gesso.core import ids
from gesso.images.models import Image
from gesso.images.storage import StoredObject

SWEPT_AGE = datetime.timedelta(hours=12)  # the sweep takes what is older, a few times before anybody is told of it
LEFTOVER_AGE = datetime.timedelta(hours=24)  # and what is older than this is reported
BATCH = 1000


def among(stored: Iterable[StoredObject], *, before: datetime.datetime) -> Iterator[tuple[str, str]]:
    """Return the key of each object, written before that, that nothing needs, and why nothing does."""
    old = (found.key for found in stored if found.modified < before)
    while keys := list(itertools.islice(old, BATCH)):
        rowless, gone = nameless(keys), _gone(keys)
        yield from ((key, why) for key in keys if (why := _why(key, rowless, gone)))


def nameless(keys: Iterable[str]) -> set[str]:
    """Return those of the keys under which no image has its bytes."""
    asked = set(keys)
    return asked.difference(Image.objects.filter(storage_key__in=asked).values_list("storage_key", flat=True))


def _why(key: str, rowless: set[str], gone: set[str]) -> str:
    match key.split("/"):
        case ["g" | "u", *_]:
            return "no image has these bytes." if key in rowless else ""
        case ["r", image, *_]:
            return "it was made from an image that is gone." if image in gone else ""
        case ["spool" | "previews", *_]:
            return "no generation runs that long."
        case _:
            return "Gesso stores nothing there."


def _gone(keys: Iterable[str]) -> set[str]:
    """Return the names of the directories of renditions whose image has no row."""
    named = {key.split("/")[1] for key in keys if key.startswith("r/")}
    known: dict[str, uuid.UUID | None] = {name: ids.parse(name) for name in named}
    there = set(Image.objects.filter(id__in=filter(None, known.values())).values_list("id", flat=True))
    return {name for name, number in known.items() if number not in there}
