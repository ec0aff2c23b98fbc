"""Reading the ledger: the balance by source, the statement that a person can check line by line, and use by day."""

import dataclasses
import datetime
import uuid
import zoneinfo
from collections.abc import Collection

from django.conf import settings
from django.db import connection
from django.db.models import Q

from gesso.core import clock
from gesso.credits import books
from gesso.credits.models import CreditEntry, CreditGrant

LARGEST_PAGE = 200


@dataclasses.dataclass(frozen=True)
class GrantLine:
    """What is left and held of one grant that was of `amount` credits; `expires_at` None: never."""

    source: str
    available: int
    held: int
    expires_at: datetime.datetime | None
    amount: int
    granted_at: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Balance:
    """Credits that can be spent, that are held, that are owed, and the grants they come from in burn order."""

    available: int
    held: int
    debt: int
    grants: list[GrantLine]


@dataclasses.dataclass(frozen=True)
class StatementLine:
    """One entry as a person reads it: `amount` is signed as seen from available; `reference` names work or payment.

    `moved` is what it moved between any two buckets: a charge of 4 that had been held has amount 0 and moved 4.
    """

    id: int
    at: datetime.datetime
    kind: str
    source: str
    amount: int
    moved: int
    balance_after: int
    reference: str
    reason: str


@dataclasses.dataclass(frozen=True)
class StatementPage:
    """Lines, newest first, and the cursor of the next page (None at the end)."""

    lines: list[StatementLine]
    next_cursor: int | None


@dataclasses.dataclass(frozen=True)
class DayOfUse:
    """What was charged on one day of the instance's calendar, and what came back, in credits."""

    day: datetime.date
    charged: int
    returned: int


_BALANCE = """
SELECT account.debt, lot.source, CASE WHEN lot.expires_at <= %s THEN 0 ELSE lot.available END, lot.held, lot.expires_at,
       lot.amount, lot.created_at
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


def statement(
    workspace_id: uuid.UUID, *, cursor: int | None = None, limit: int = 50, kinds: Collection[str] = ()
) -> StatementPage:
    """Return a page of the statement, of these kinds of entries only where `kinds` names some.

    Its newest `balance_after` is the wallet; captures move nothing one can spend.
    """
    limit = max(1, min(limit, LARGEST_PAGE))
    rows = CreditEntry.objects.filter(workspace_id=workspace_id).select_related("grant")
    if kinds:
        rows = rows.filter(kind__in=kinds)
    if cursor is not None:
        rows = rows.filter(id__lt=cursor)
    found = list(rows.order_by("-id")[: limit + 1])
    lines = [_line(entry) for entry in found[:limit]]
    return StatementPage(lines, lines[-1].id if len(found) > limit else None)


def _line(entry: CreditEntry) -> StatementLine:
    available = CreditEntry.Bucket.AVAILABLE
    sign = (entry.to_bucket == available) - (entry.from_bucket == available)
    return StatementLine(
        entry.id, entry.at, entry.kind, entry.grant.source, sign * entry.amount, entry.amount, entry.balance_after,
        entry.reference, entry.reason,
    )  # fmt: skip


_USE = """
SELECT (at AT TIME ZONE %s)::date AS day,
       COALESCE(sum(amount) FILTER (WHERE kind = 'capture'), 0),
       COALESCE(sum(amount) FILTER (WHERE kind IN ('release', 'return')), 0)
FROM credits_creditentry WHERE workspace_id = %s AND at >= %s AND kind IN ('capture', 'release', 'return')
GROUP BY day ORDER BY day
"""


def use_by_day(workspace_id: uuid.UUID, *, days: int = 30) -> list[DayOfUse]:
    """Return each of the last `days` days, oldest first and today last, with what was charged and what came back."""
    today = clock.day_of(clock.now())
    first = today - datetime.timedelta(days=days - 1)
    start = datetime.datetime.combine(first, datetime.time.min, tzinfo=zoneinfo.ZoneInfo(settings.TIME_ZONE))
    with connection.cursor() as cursor:
        cursor.execute(_USE, [settings.TIME_ZONE, workspace_id, start])
        found = {day: (int(charged), int(returned)) for day, charged, returned in cursor.fetchall()}
    every = (first + datetime.timedelta(days=number) for number in range(days))
    return [DayOfUse(day, *found.get(day, (0, 0))) for day in every]
