"""Uploads: cleaned, stored, noted, within a quota. The person's file name is a label for reading and nothing more."""

import datetime
import unicodedata

import structlog
from django.db import transaction

from gesso.accounts.models import User, Workspace
from gesso.core import catalog, clock, ids
from gesso.images import intake, storage
from gesso.images.models import Image, UnfinishedUpload

log = structlog.get_logger()

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
LABEL_CHARACTERS = 120


class QuotaExceeded(Exception):
    """The workspace uploaded too much in the last hour."""


def store(workspace: Workspace, member: User | None, data: bytes, name: str) -> Image:
    """Clean and keep an upload; returns its row. A note says where its bytes are until the row does.

    Raises intake.Refused, QuotaExceeded, storage.Unavailable.
    """
    limit = catalog.current().limits.uploads_per_hour
    recent = Image.objects.filter(
        workspace=workspace, origin=Image.Origin.UPLOAD, created_at__gt=clock.now() - datetime.timedelta(hours=1)
    )
    if recent.count() >= limit:
        raise QuotaExceeded(f"There were {limit} uploads in the last hour, which is the most. Try again later.")
    made = intake.clean(data)
    number = ids.uuid7()
    key = f"u/{workspace.id}/{number}.{_EXTENSIONS[made.media_type]}"
    UnfinishedUpload.objects.create(storage_key=key)
    storage.current().put(key, made.data)
    with transaction.atomic():
        if not UnfinishedUpload.objects.filter(storage_key=key).delete()[0]:
            raise storage.Unavailable("the upload slept for so long that its bytes were deleted")
        return Image.objects.create(
            id=number, workspace=workspace, member=member, origin=Image.Origin.UPLOAD, width=made.width,
            height=made.height, media_type=made.media_type, bytes=len(made.data), sha256=made.sha256, storage_key=key,
            label=label(name), placeholder=made.placeholder, verdict=Image.Verdict.ALLOWED,
        )  # fmt: skip


def discard(image: Image) -> None:
    """Undo an upload that nothing uses; where the storage is away, its bytes go with the leftovers."""
    with transaction.atomic():
        UnfinishedUpload.objects.create(storage_key=image.storage_key)
        image.delete()
    try:
        storage.current().delete(image.storage_key)
    except storage.Unavailable:
        log.warning("an upload could not be discarded yet", key=image.storage_key)
    else:
        UnfinishedUpload.objects.filter(storage_key=image.storage_key).delete()


def label(name: str) -> str:
    """Return a file name as a harmless label: its last part, no control or direction characters, at most 120."""
    last = name.replace("\\", "/").rpartition("/")[2]
    letters = (letter for letter in last if unicodedata.category(letter)[0] != "C")
    return "".join(letters).strip()[:LABEL_CHARACTERS]
