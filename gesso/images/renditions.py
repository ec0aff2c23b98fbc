"""What is made from an original and can be made again: previews and thumbnails (WebP), the clean copy, small previews.

Every rendition is re-encoded and carries no metadata; the original is never rewritten. Making one twice is harmless.
"""

import dataclasses
import datetime
import threading
from typing import Literal

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from gesso.images import decoding, intake, storage
from gesso.images.models import Image

Variant = Literal["original", "clean", "preview", "thumb"]
WORKER_SECONDS = 60  # after which nobody waits for a worker any more
VARIANTS: tuple[Variant, ...] = ("original", "clean", "preview", "thumb")
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
# One rendition of an image is made at a time in this process; a few locks serve all images.
_turns = tuple(threading.Lock() for _ in range(64))


class Undecodable(Exception):
    """The stored original can't be opened whole: it must be withdrawn."""


@dataclasses.dataclass(frozen=True)
class Content:
    """Bytes ready to be served: where they are, their type and size."""

    key: str
    media_type: str
    size: int


def make(image: Image, *, later: bool = False) -> None:
    """Decode the original fully, store preview and thumbnail, note the placeholder colour. Raises Undecodable.

    `later`: nobody waits for them.
    """
    made = _decode(image, "renditions", later=later)
    for name, data in made.files.items():
        _put(_key(image, name), data)
    with transaction.atomic():
        Image.objects.filter(id=image.id, rendered_at=None).update(rendered_at=Now(), placeholder=made.placeholder)


def read(image: Image, variant: Variant) -> Content:
    """Return where `variant` of the image is, making it when it isn't there. Raises Undecodable, storage.Missing."""
    store = storage.current()
    if variant == "original" or (variant == "clean" and image.origin == Image.Origin.UPLOAD):
        return Content(image.storage_key, image.media_type, image.bytes)
    key = _key(image, variant)
    media_type = image.media_type if variant == "clean" else "image/webp"
    size = store.size(key)
    if size is None:
        with _turns[hash(image.id) % len(_turns)]:
            if (size := store.size(key)) is None:
                size = _made(image, variant, key)
    return Content(key, media_type, size)


def under_way(image: Image, variant: Variant) -> bool:
    """Whether a worker is about to have made this rendition: the image is a new output, and it is not there yet."""
    if image.origin != Image.Origin.OUTPUT or image.rendered_at is not None:
        return False
    fresh = timezone.now() - image.created_at < datetime.timedelta(seconds=WORKER_SECONDS)
    return fresh and variant in {"preview", "thumb"} and storage.current().size(_key(image, variant)) is None


def _made(image: Image, variant: Variant, key: str) -> int:
    if variant == "clean":
        _put(key, _decode(image, "clean").files["clean"])
    else:
        make(image)
    size = storage.current().size(key)
    if size is None:
        raise storage.Missing(key)
    return size


def shrink(data: bytes, side: int) -> bytes:
    """Return a partial picture as a small WebP of at most `side` pixels. Raises decoding's errors."""
    return decoding.decode(data, "shrink", _bounds(), side=side).files["shrunk"]


def delete(image: Image) -> None:
    """Delete everything that was made from the image."""
    for variant in VARIANTS[1:]:
        storage.current().delete(_key(image, variant))


def _decode(image: Image, task: str, *, later: bool = False) -> decoding.Decoded:
    data = storage.current().get(image.storage_key)
    try:
        return decoding.decode(data, task, _bounds(), later=later)
    except (decoding.Undecodable, decoding.Exhausted, decoding.Animated, decoding.TooLarge) as broken:
        raise Undecodable(f"{type(broken).__name__}: {broken}") from broken


def _put(key: str, data: bytes) -> None:
    try:
        storage.current().put(key, data)
    except storage.Occupied:  # made twice at once, by another version of the encoder: either serves
        return


def _key(image: Image, variant: str) -> str:
    extension = _EXTENSIONS[image.media_type] if variant == "clean" else "webp"
    return f"r/{image.id}/{variant}.{extension}"


def _bounds() -> decoding.Limits:
    return dataclasses.replace(intake.limits(), side_min=1)
