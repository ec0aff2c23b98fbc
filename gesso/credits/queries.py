"""Reading the ledger: the balance by source, and the statement that a person can check line by line."""

import dataclasses
import datetime
import uuid

from django.db import connection
from django.db.models import Q

from gesso.core import clock
from gesso.credits import books
from gesso.credits.models import CreditEntry, CreditGrant

LARGEST_PAGE = 200


@dataclasses.dataclass(frozen=True)
class GrantLine:
    """What is left and held of one grant, in credits; `expires_at` None: never."""

    source: str
    available: int
    held: int
    expires_at: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class Balance:
    """Credits that can be spent, that are held, that are owed, and the grants they come from in burn order."""

    available: int
    held: int
    debt: int
    grants: list[GrantLine]


@dataclasses.dataclass(frozen=True)
class StatementLine:
    """One entry as a person reads it: `amount` is signed as seen from available; `reference` names work or payment."""

    id: int
    at: datetime.datetime
    kind: str
    source: str
    amount: int
    balance_after: int
    reference: str
    reason: str


@dataclasses.dataclass(frozen=True)
class StatementPage:
    """Lines, newest first, and the cursor of the next page (None at the end)."""

    lines: list[StatementLine]
    next_cursor: int | None


_BALANCE = """
SELECT account.debt, lot.source, CASE WHEN lot.expires_at <= %s THEN 0 ELSE lot.available END, lot.held, lot.expires_at
FROM credits_creditaccount AS account
LEFT JOIN credits_creditgrant AS lot
       ON lot.workspace_id = account.workspace_id AND (lot.available > 0 OR lot.held > 0)
WHERE account.workspace_id = %s ORDER BY lot.expires_at ASC NULLS LAST, lot.priority, lot.created_at, lot.id
"""


def balance(workspace_id: uuid.UUID) -> Balance:
    """Return the workspace's balance now. What has expired but is not posted yet doesn't count."""
    with connection.cursor() as cursor:  # every page shows it
        cursor.execute(_BALANCE, [clock.now(), workspace_id])
        rows = cursor.fetchall()
    lines = [GrantLine(*row[1:]) for row in rows if row[2] or row[3]]
    debt = rows[0][0] if rows else 0
    return Balance(sum(line.available for line in lines), sum(line.held for line in lines), debt, lines)


def is_paid(workspace_id: uuid.UUID) -> bool:
    """Return whether the workspace has an unspent pack or a plan's credits that still run."""
    paid = CreditGrant.objects.filter(workspace_id=workspace_id, source__in=books.PAID)
    return (
        paid.filter(Q(available__gt=0) | Q(held__gt=0))
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=clock.now()))
        .exists()
    )


def statement(workspace_id: uuid.UUID, *, cursor: int | None = None, limit: int = 50) -> StatementPage:
    """Return a page of the statement. Its newest `balance_after` is the wallet; captures move nothing one can spend."""
    limit = max(1, min(limit, LARGEST_PAGE))
    rows = CreditEntry.objects.filter(workspace_id=workspace_id).select_related("grant")
    if cursor is not None:
        rows = rows.filter(id__lt=cursor)
    found = list(rows.order_by("-id")[: limit + 1])
    lines = [_line(entry) for entry in found[:limit]]
    return StatementPage(lines, lines[-1].id if len(found) > limit else None)


def _line(entry: CreditEntry) -> StatementLine:
    available = CreditEntry.Bucket.AVAILABLE
    sign = (entry.to_bucket == available) - (entry.from_bucket == available)
    return StatementLine(
        entry.id, entry.at, entry.kind, entry.grant.source, sign * entry.amount, entry.balance_after, entry.reference,
        entry.reason,
    )  # fmt: skip
