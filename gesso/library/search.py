"""Finding images: one by its id, a page of the wall, the neighbours of one on it.

Everything is asked through the workspace and in keyset pages, so the thousandth page costs what the first does.
Withheld and broken images are not found here at all. What an image was made from is in `lineage`.
"""

import dataclasses
import datetime
import re
import uuid

from django.db.models import Q, QuerySet

from gesso.core import ids, typed
from gesso.images.models import Image

LARGEST_PAGE = 200
LONGEST_SEARCH = 200
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class BadCursor(Exception):
    """The cursor is not one of ours."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filters:
    """What the wall is narrowed to. `q` is looked for in prompts and file names, without wildcards."""

    q: str = ""
    favourite: bool = False
    origin: str = ""
    trashed: bool = False


@dataclasses.dataclass(frozen=True)
class Page:
    """Images of one page, newest first, and the cursor of the next (empty at the end)."""

    rows: list[Image]
    next_cursor: str


def wanted_words(text: str) -> str:
    """Return what to look for when somebody typed `text`: no control characters, no spaces around it, not too long."""
    return typed.plain(text).strip()[:LONGEST_SEARCH]


def find(workspace_id: uuid.UUID, image_id: uuid.UUID) -> Image | None:
    """Return one image of the workspace, in the trash or not, or None."""
    return visible(workspace_id).filter(id=image_id).first()


def newest(workspace_id: uuid.UUID, *, filters: Filters | None = None, cursor: str = "", limit: int = 60) -> Page:
    """Return a page of images (one query). Raises BadCursor."""
    wanted = filters or Filters()
    rows = _narrowed(visible(workspace_id), wanted)
    if cursor:
        at, last = _read_cursor(cursor)
        rows = rows.filter(_older_than(at, last))
    limit = max(1, min(limit, LARGEST_PAGE))
    found = list(rows.order_by("-created_at", "-id")[: limit + 1])
    return Page(found[:limit], _cursor(found[limit - 1]) if len(found) > limit else "")


def neighbours(image: Image) -> tuple[uuid.UUID | None, uuid.UUID | None]:
    """Return the ids of the images just newer and just older than this one on the whole wall."""
    rows = visible(image.workspace_id).filter(trashed_at=None).exclude(id=image.id)
    at = image.created_at
    newer = rows.filter(Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(id__gt=image.id)))
    older = rows.filter(_older_than(at, image.id))
    return (
        newer.order_by("created_at", "id").values_list("id", flat=True).first(),
        older.order_by("-created_at", "-id").values_list("id", flat=True).first(),
    )


def visible(workspace_id: uuid.UUID) -> QuerySet[Image]:
    """Return the images of the workspace that may be looked at and used, in the trash or not."""
    return Image.objects.filter(workspace_id=workspace_id, verdict=Image.Verdict.ALLOWED, broken_at=None)


def _narrowed(rows: QuerySet[Image], filters: Filters) -> QuerySet[Image]:
    rows = rows.filter(trashed_at__isnull=not filters.trashed)
    if filters.favourite:
        rows = rows.filter(favourite_at__isnull=False)
    if filters.origin:
        rows = rows.filter(origin=filters.origin)
    if words := wanted_words(filters.q):
        rows = rows.filter(Q(label__icontains=words) | Q(output__generation__prompt__icontains=words))
    return rows


def _older_than(at: datetime.datetime, last: uuid.UUID) -> Q:
    # The first condition alone is a range of the index; the second cuts the ties.
    return Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(id__lt=last))


def _cursor(row: Image) -> str:
    return f"{(row.created_at - _EPOCH) // datetime.timedelta(microseconds=1)}-{row.id}"


def _read_cursor(text: str) -> tuple[datetime.datetime, uuid.UUID]:
    shape = re.fullmatch(r"([0-9]{1,16})-([0-9a-f-]{36})", text)
    last = ids.parse(shape[2]) if shape else None
    if shape is None or last is None:
        raise BadCursor("The cursor is not one that this list gave out.")
    return _EPOCH + datetime.timedelta(microseconds=int(shape[1])), last
