"""Credits over the native API: the balance by grant, and the statement."""

import uuid
from typing import Annotated, Any

import pydantic
from ninja import Query, Router, Schema

from gesso.api import paging, shapes
from gesso.api.keys import Request
from gesso.api.shapes import CreditsOut, EntryPage
from gesso.core import ids
from gesso.credits import allowances, ledger, queries

router = Router(tags=["credits"])


class EntryFilters(Schema):
    """Which page of the statement."""

    cursor: Annotated[str, pydantic.Field(pattern=r"^[0-9]{0,18}$")] = ""
    limit: paging.Limit = 50


@router.get("", response=CreditsOut, operation_id="get_credits", summary="What can be spent")
def balance(request: Request) -> dict[str, Any]:
    """Return the balance with the grants it comes from; today's daily credits are among them."""
    allowances.ensure(request.auth.workspace)
    return shapes.credits(queries.balance(request.auth.workspace.id))


@router.get("/entries", response=EntryPage, operation_id="list_entries", summary="The statement, newest first")
def entries(request: Request, filters: Query[EntryFilters]) -> dict[str, Any]:
    """Return a page of the statement."""
    paging.only(request, EntryFilters)
    ledger.expire_due(request.auth.workspace.id)  # what is over is written down before it is read
    cursor = int(filters.cursor) if filters.cursor else None
    page = queries.statement(request.auth.workspace.id, cursor=cursor, limit=filters.limit)
    return {
        "entries": [
            {
                "id": line.id, "at": line.at, "kind": line.kind, "source": line.source, "amount": line.amount,
                "balance_after": line.balance_after, "generation_id": _generation(line.reference),
                "reason": line.reason,
            }
            for line in page.lines
        ],
        "next_cursor": str(page.next_cursor) if page.next_cursor is not None else None,
    }  # fmt: skip


def _generation(reference: str) -> uuid.UUID | None:
    """Return the generation that an entry belongs to: a hold's reference is its generation's id."""
    return ids.parse(reference)
