"""Reading generations: always through the workspace, in a small, constant number of queries, in keyset pages."""

import base64
import binascii
import collections
import dataclasses
import datetime
import uuid
from typing import Any, TypeVar

import orjson
from django.db import connection
from django.db.models import Q, QuerySet

from gesso.core import ids, instances
from gesso.generations import spool
from gesso.generations.models import Attempt, Generation, GenerationEvent, GenerationReference, Output
from gesso.images.models import Image

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
    found = Generation.objects.select_related("hold").filter(workspace_id=workspace_id, id=generation_id).first()
    return _complete([found])[0] if found else None


def assemble(row: Generation, outputs: list[Output], references: list[GenerationReference]) -> None:
    """Note on a generation what belongs to it, so that `.outputs.all()` and `.references.all()` ask nothing.

    They are lists: whoever wants them filtered or sorted by the database fails loudly instead of asking in silence.
    """
    row._prefetched_objects_cache = {"outputs": outputs, "references": references}  # type: ignore[attr-defined]  # noqa: SLF001 (what Django's prefetch does)


def whole(row: Generation) -> Generation:
    """Return `row` with its outputs, images, references and hold: as it is when it was assembled, else read anew."""
    if "outputs" in getattr(row, "_prefetched_objects_cache", {}):
        return row
    found = find(row.workspace_id, row.id)
    assert found is not None, "rows of generations are never deleted"
    return found


def newest(workspace_id: uuid.UUID, *, filters: Filters | None = None, cursor: str = "", limit: int = 24) -> Page:
    """Return a page of the workspace's generations. Raises BadCursor."""
    rows = Generation.objects.select_related("hold").filter(workspace_id=workspace_id)
    rows = _narrowed(rows, filters or Filters())
    if cursor:
        at, last = _read_cursor(cursor)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last))
    limit = max(1, min(limit, LARGEST_PAGE))
    found = list(rows.order_by("-created_at", "-id")[: limit + 1])
    more = len(found) > limit
    return Page(_complete(found[:limit]), _cursor(found[limit - 1]) if more else "")


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


_OUTPUTS = """
SELECT {output}, {image} FROM generations_output AS output LEFT JOIN images_image AS image ON image.id = output.image_id
WHERE output.generation_id = ANY(%s) ORDER BY output.index
"""
_REFERENCES = """
SELECT {reference}, {image} FROM generations_generationreference AS reference
JOIN images_image AS image ON image.id = reference.image_id
WHERE reference.generation_id = ANY(%s) ORDER BY reference.position
"""


def _complete(found: list[Generation]) -> list[Generation]:
    """Read the outputs and references of `found`, with their images: two statements, however many there are."""
    numbers = [row.id for row in found]
    outputs, references = (
        _with_images(Output, "output", _OUTPUTS, numbers),
        _with_images(GenerationReference, "reference", _REFERENCES, numbers),
    )
    for row in found:
        assemble(row, outputs[row.id], references[row.id])
    return found


P = TypeVar("P", Output, GenerationReference)


def _with_images(model: type[P], alias: str, statement: str, numbers: list[uuid.UUID]) -> dict[uuid.UUID, list[P]]:
    """Return the parts that `statement` reads, each with its image, by the id of their generation."""
    named = {alias: instances.columns(model, alias), "image": instances.columns(Image, "image")}
    found: dict[uuid.UUID, list[P]] = collections.defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(statement.format(**named), [numbers])
        for row in cursor.fetchall():
            part = instances.made(model, row)
            part.image = instances.joined(Image, row, len(instances.names(model)))  # type: ignore[assignment]  # None is right
            found[part.generation_id].append(part)
    return found


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
