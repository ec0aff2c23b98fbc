"""Reading generations: always through the workspace, in a small, constant number of queries, in keyset pages."""

import base64
import binascii
import dataclasses
import datetime
import uuid
from collections.abc import Sequence
from typing import Any

import orjson
from django.db.models import Prefetch, Q, QuerySet

from gesso.core import ids
from gesso.generations import spool
from gesso.generations.models import Attempt, Generation, GenerationEvent, GenerationReference, Output

LARGEST_PAGE = 100


class BadCursor(Exception):
    """The cursor is not one of ours."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filters:
    """What a list is narrowed to; empty means everything. `q` is looked for in the prompt, without wildcards."""

    q: str = ""
    state: str = ""
    quality: str = ""
    aspect_ratio: str = ""
    model: str = ""
    before: datetime.datetime | None = None
    after: datetime.datetime | None = None
    favourite: bool = False


@dataclasses.dataclass(frozen=True)
class Page:
    """Rows of one page, newest first, and the cursor of the next (empty at the end)."""

    rows: list[Generation]
    next_cursor: str


def find(workspace_id: uuid.UUID, generation_id: uuid.UUID) -> Generation | None:
    """Return one generation of the workspace with its outputs, images, references and hold, or None."""
    return _whole(Generation.objects.filter(workspace_id=workspace_id)).filter(id=generation_id).first()


def assemble(row: Generation, outputs: Sequence[Output], references: Sequence[GenerationReference]) -> None:
    """Note on a generation that was just made what `find` would read with it: a page draws it without asking again."""
    # ruff: noqa: SLF001 (this is what Django's own prefetch does, without its queries)
    row._prefetched_objects_cache = {}  # type: ignore[attr-defined]
    for name, rows in (("outputs", outputs), ("references", references)):
        known = getattr(row, name).all()
        known._result_cache = list(rows)
        known._prefetch_done = True
        row._prefetched_objects_cache[name] = known  # type: ignore[attr-defined]


def whole(row: Generation) -> Generation:
    """Return `row` with its outputs, images, references and hold: as it is when it was assembled, else read anew."""
    if "outputs" in getattr(row, "_prefetched_objects_cache", {}):
        return row
    found = find(row.workspace_id, row.id)
    assert found is not None, "rows of generations are never deleted"
    return found


def newest(workspace_id: uuid.UUID, *, filters: Filters | None = None, cursor: str = "", limit: int = 24) -> Page:
    """Return a page of the workspace's generations. Raises BadCursor."""
    rows = _whole(Generation.objects.filter(workspace_id=workspace_id))
    rows = _narrowed(rows, filters or Filters())
    if cursor:
        at, last = _read_cursor(cursor)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last))
    limit = max(1, min(limit, LARGEST_PAGE))
    found = list(rows.order_by("-created_at", "-id")[: limit + 1])
    more = len(found) > limit
    return Page(found[:limit], _cursor(found[limit - 1]) if more else "")


def place_in_line(generation: Generation) -> int:
    """Return how many queued generations of the workspace come before this one, plus one."""
    earlier = Generation.objects.filter(workspace_id=generation.workspace_id, state=Generation.State.QUEUED)
    return (
        1
        + earlier.filter(
            Q(created_at__lt=generation.created_at) | Q(created_at=generation.created_at, id__lt=generation.id)
        ).count()
    )


def events(generation: Generation) -> list[GenerationEvent]:
    """Return the timeline, oldest first."""
    return list(GenerationEvent.objects.filter(generation=generation).order_by("sequence"))


def attempts(generation: Generation) -> list[Attempt]:
    """Return every try at a provider, by output and number."""
    rows = Attempt.objects.filter(output__generation=generation).select_related("output")
    return list(rows.order_by("output__index", "number"))


def preview(generation: Generation, index: int) -> str | None:
    """Return the storage key of an open output's newest preview, or None."""
    output = Output.objects.filter(generation=generation, index=index, state=Output.State.OPEN).first()
    return spool.preview_key(generation.id, index, output.previews) if output and output.previews else None


def _whole(rows: QuerySet[Generation]) -> QuerySet[Generation]:
    return rows.select_related("hold").prefetch_related(
        Prefetch("outputs", Output.objects.select_related("image").order_by("index")),
        Prefetch("references", GenerationReference.objects.select_related("image").order_by("position")),
    )


def _narrowed(rows: QuerySet[Generation], filters: Filters) -> QuerySet[Generation]:
    exact: dict[str, Any] = {
        "state": filters.state, "quality": filters.quality, "aspect_ratio": filters.aspect_ratio,
        "model": filters.model,
    }  # fmt: skip
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if filters.q:
        rows = rows.filter(prompt__icontains=filters.q[:200])
    if filters.before:
        rows = rows.filter(created_at__lt=filters.before)
    if filters.after:
        rows = rows.filter(created_at__gt=filters.after)
    if filters.favourite:
        rows = rows.filter(outputs__image__favourite_at__isnull=False).distinct()
    return rows


def _cursor(row: Generation) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row.created_at.isoformat(), str(row.id)])).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[datetime.datetime, uuid.UUID]:
    try:
        at, last = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        moment, number = datetime.datetime.fromisoformat(at), ids.parse(last)
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadCursor("The cursor is not one that this list gave out.") from error
    if number is None or moment.tzinfo is None:
        raise BadCursor("The cursor is not one that this list gave out.")
    return moment, number
