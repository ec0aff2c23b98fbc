"""Generations over the native API: ask, list, look, cancel, make again."""

import datetime
import uuid
from typing import Annotated, Any, Literal

import pydantic
from ninja import Query, Router, Schema, Status

from gesso.api import asked, asking, paging, shapes
from gesso.api.keys import Caller, Request
from gesso.api.refusals import NOT_FOUND, Refusal
from gesso.api.shapes import GenerationOut, GenerationPage, GenerationWhole
from gesso.core import ids
from gesso.generations import lifecycle, queries, spec, submission
from gesso.generations.models import Generation

router = Router(tags=["generations"])


class ListFilters(Schema):
    """What a list is narrowed to."""

    q: paging.Words = ""
    state: Literal["", "queued", "running", "succeeded", "failed", "canceled"] = ""
    quality: Literal["", "low", "medium", "high"] = ""
    ratio: Annotated[str, pydantic.Field(pattern=r"^([1-9][0-9]?:[1-9][0-9]?)?$")] = ""
    model: Annotated[str, pydantic.Field(pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$")] = ""
    before: pydantic.AwareDatetime | None = None
    after: pydantic.AwareDatetime | None = None
    favourite: bool = False
    cursor: paging.Cursor = ""
    limit: paging.Limit = 24


@router.post(
    "",
    response={202: GenerationOut},
    openapi_extra={"requestBody": asking.generation(), "parameters": [asking.idempotency_header()]},
    operation_id="create_generation",
    summary="Ask for images",
)
def create(request: Request) -> Status[Any]:
    """Queue a generation and hold its price. The answer comes at once; the images come later."""
    values = asked.json_object(request)
    wanted = spec.parse(values)
    request.auth.must("generate")
    made = submission.submit(
        request.auth.workspace, request.auth.user, [wanted], idempotency=asked.idempotency(request, values)
    )
    return Status(202, shapes.generation(queries.whole(made[0])))


@router.get("", response=GenerationPage, operation_id="list_generations", summary="List generations, newest first")
def newest(request: Request, filters: Query[ListFilters]) -> dict[str, Any]:
    """Return a page of the workspace's generations; `next_cursor` leads to the next one."""
    paging.only(request, ListFilters)
    narrowed = queries.Filters(
        q=filters.q, state=filters.state, quality=filters.quality, aspect_ratio=filters.ratio, model=filters.model,
        before=_utc(filters.before), after=_utc(filters.after), favourite=filters.favourite,
    )  # fmt: skip
    page = queries.newest(request.auth.workspace.id, filters=narrowed, cursor=filters.cursor, limit=filters.limit)
    return {
        "generations": [shapes.generation(row) for row in page.rows], "next_cursor": page.next_cursor or None
    }  # fmt: skip


@router.get(
    "/{generation_id}", response=GenerationWhole, operation_id="get_generation", summary="Look at one generation"
)
def whole(request: Request, generation_id: str) -> dict[str, Any]:
    """Return one generation with its outputs and its timeline."""
    row = _found(request.auth, known_id(generation_id))
    return {**shapes.generation(row), "events": [shapes.event(line) for line in queries.events(row)]}


@router.post(
    "/{generation_id}/cancel", response={202: GenerationOut}, operation_id="cancel_generation", summary="Cancel"
)
def cancel(request: Request, generation_id: str) -> Status[Any]:
    """End it at once: what was delivered is kept and charged, the rest of the price comes back."""
    number = known_id(generation_id)
    request.auth.must("generate")
    lifecycle.cancel(request.auth.workspace, number, request.auth.user)
    return Status(202, shapes.generation(_found(request.auth, number)))


@router.post(
    "/{generation_id}/retry",
    response={202: GenerationOut},
    openapi_extra={"requestBody": asking.retry(), "parameters": [asking.idempotency_header()]},
    operation_id="retry_generation",
    summary="Make it again",
)
def retry(request: Request, generation_id: str) -> Status[Any]:
    """Queue a new generation with the same prompt, settings and references; its price is held anew."""
    number = known_id(generation_id)
    values = asked.json_object(request) if request.body else {}
    only_missing = values.pop("only_missing", False)
    if values or not isinstance(only_missing, bool):
        name = next(iter(values), "only_missing")
        raise Refusal(400, "bad_retry", "A retry takes only_missing, true or false, and nothing else.", field=name[:60])
    request.auth.must("generate")
    made = lifecycle.retry(
        request.auth.workspace, request.auth.user, number, only_missing=only_missing,
        idempotency=asked.idempotency(request, only_missing),
    )  # fmt: skip
    return Status(202, shapes.generation(queries.whole(made)))


def known_id(text: str) -> uuid.UUID:
    """Return the id that `text` spells; what is no id is refused as an id that nobody has."""
    number = ids.parse(text)
    if number is None:
        raise Refusal(NOT_FOUND.status, NOT_FOUND.code, NOT_FOUND.message)
    return number


def _found(caller: Caller, number: uuid.UUID) -> Generation:
    row = queries.find(caller.workspace.id, number)
    if row is None:
        raise lifecycle.NoSuchGeneration
    return row


def _utc(moment: datetime.datetime | None) -> datetime.datetime | None:
    try:
        return moment.astimezone(datetime.UTC) if moment else None
    except OverflowError:
        raise Refusal(400, "bad_time", "This time lies outside the years 1 to 9999.") from None
