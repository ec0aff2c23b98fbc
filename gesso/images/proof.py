"""What `gesso doctor` proves about pictures: every row has its bytes (I-6), everything stored has its row (I-7).

Nothing is repaired here. What is in the spool belongs to running generations; it counts as left over after a day too.
"""

import hashlib
import random
import uuid

from django.db.models import QuerySet

from gesso.core import clock
from gesso.core.violations import Violation
from gesso.images import orphans, storage
from gesso.images.models import Image

SAMPLE = 500  # newest and random originals whose hash is compared


def rows_have_objects(*, full: bool = False) -> list[Violation]:
    """I-6: each row's object exists with the row's size; of some (`full`: of all) the SHA-256 is compared."""
    store = storage.current()
    rows = Image.objects.filter(broken_at=None)
    stored = {found.key: found.size for prefix in ("g", "u") for found in store.keys(prefix)}
    wrong = []
    whole: list[uuid.UUID] = []
    for number, key, size in rows.values_list("id", "storage_key", "bytes").iterator(chunk_size=5000):
        found = stored.get(key)
        if found is None:  # written since the listing, or really not there
            found = store.size(key)
        if found is None:
            wrong.append(Violation("I-6", f"image {number}", f"its bytes are not in the storage ({key})."))
        elif found != size:
            wrong.append(Violation("I-6", f"image {number}", f"{key} has {found} bytes, the row says {size}."))
        else:
            whole.append(number)
    return wrong + _hashes(rows, whole if full else _some(whole))


def objects_have_rows() -> list[Violation]:
    """I-7: nothing older than a day is stored without a row, and no write that never ended is that old.

    While a worker runs, what deaths left is deleted before it is that old (`generations.leftovers`). What is reported
    all the same is of another database, or of an older state of this one: look whose it is before you delete it.
    """
    store = storage.current()
    before = clock.now() - orphans.LEFTOVER_AGE
    wrong = [
        Violation("I-7", found.key, "it is an unfinished write older than a day.")
        for found in store.unfinished()
        if found.modified < before
    ]
    return wrong + [Violation("I-7", key, why) for key, why in orphans.among(store.keys(""), before=before)]


def _some(whole: list[uuid.UUID]) -> list[uuid.UUID]:
    """Return the newest and as many others at random (ids are made in the order of time)."""
    ordered = sorted(whole)
    newest, older = ordered[-SAMPLE:], ordered[:-SAMPLE]
    return newest + random.sample(older, min(SAMPLE, len(older)))


def _hashes(rows: QuerySet[Image], numbers: list[uuid.UUID]) -> list[Violation]:
    store = storage.current()
    wrong = []
    for start in range(0, len(numbers), SAMPLE):
        chosen = rows.filter(id__in=numbers[start : start + SAMPLE])
        for number, key, digest in chosen.values_list("id", "storage_key", "sha256"):
            try:
                data = store.get(key)
            except storage.Missing:
                wrong.append(Violation("I-6", f"image {number}", f"its bytes are not in the storage ({key})."))
                continue
            if hashlib.sha256(data).digest() != bytes(digest):
                wrong.append(Violation("I-6", f"image {number}", f"the bytes under {key} are not the ones delivered."))
    return wrong
