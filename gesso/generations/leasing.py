"""Who advances a generation now: claim, renew, hand over. The epoch taken here fences every later write.

Also the one place that knows how many generations of a workspace may be in hand at once, so that the rest wait in line.
"""

import dataclasses
import datetime
import functools
import uuid
from collections.abc import Sequence

from django.db import connection, transaction

from gesso.accounts.models import Workspace
from gesso.core import catalog, instances, leases
from gesso.credits import queries as wallet
from gesso.generations import timeline
from gesso.generations.models import Generation

RESCUES = 3  # take-overs from owners that died, after which the generation is ended
LINE_SECONDS = 30  # one that waits in line is looked at again after this long, whatever happens


class Stale(Exception):
    """Somebody else owns the generation now, or it has ended: stop quietly, nothing was written."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """The lease on one generation, as it was when claimed; whether it has references; what is used up of its time."""

    generation: Generation
    epoch: int
    references: bool
    rescued: bool
    overdue: bool
    worn_out: bool


@dataclasses.dataclass(frozen=True)
class NotNow:
    """Not to be advanced now: `until` says when, None means that there is nothing more to do here."""

    until: datetime.datetime | None


_LOOK = """
SELECT state IN ('queued', 'running') AS open, state = 'queued' AS queued, workspace_id, lease_owner,
       coalesce(lease_expires_at > now(), false) AS taken, lease_expires_at, deadline_at <= now() AS overdue, rescues
FROM generations_generation WHERE id = %s FOR NO KEY UPDATE
"""
_IN_HAND = """
SELECT count(*) FROM generations_generation
WHERE workspace_id = %s AND (state = 'running' OR state = 'queued' AND lease_expires_at > now())
"""
_TAKE = """
UPDATE generations_generation AS generation
SET lease_owner = %s, lease_epoch = lease_epoch + 1, lease_expires_at = now() + %s * interval '1 second',
    wake_at = NULL, rescues = rescues + %s
WHERE id = %s
RETURNING EXISTS (SELECT FROM generations_generationreference WHERE generation_id = generation.id), {generation}
"""
_FENCE = """
SELECT {generation} FROM generations_generation AS generation
WHERE id = %s AND lease_epoch = %s AND state IN ('queued', 'running') FOR NO KEY UPDATE
"""
_RENEW = """
UPDATE generations_generation SET lease_expires_at = now() + %s * interval '1 second'
WHERE id = ANY(%s) AND lease_owner = %s AND state IN ('queued', 'running') AND lease_expires_at IS NOT NULL RETURNING id
"""
_HAND_OVER = """
UPDATE generations_generation
SET lease_owner = '', lease_expires_at = NULL, wake_at = now() + %s * interval '1 second'
WHERE id = %s AND lease_epoch = %s AND state IN ('queued', 'running') RETURNING wake_at
"""


@transaction.atomic(savepoint=False)
def claim(generation_id: uuid.UUID, owner: str) -> Claim | NotNow:
    """Take the lease on a generation for `owner`, or say why not now."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, [generation_id])
        row = cursor.fetchone()
        if row is None or not row[0]:
            return NotNow(None)
        _, queued, workspace_id, old_owner, taken, expires, overdue, rescues = row
        if taken:
            return NotNow(expires)
        if queued and not overdue and not _has_place(workspace_id):
            return NotNow(wait_in_line(generation_id))
        rescued = bool(old_owner)  # a hand-over empties the owner; a death leaves it
        cursor.execute(_with_columns(_TAKE), [owner, leases.SECONDS, int(rescued), generation_id])
        refers, *columns = cursor.fetchone()
    generation = instances.made(Generation, columns)
    if rescued:
        timeline.record(generation_id, "rescued", epoch=generation.lease_epoch)
    return Claim(generation, generation.lease_epoch, refers, rescued, overdue, rescued and rescues >= RESCUES)


def limit_of(workspace_id: uuid.UUID) -> int:
    """Return how many generations of the workspace may be in hand at once."""
    limits = catalog.current().limits
    of_plan = Workspace.objects.filter(id=workspace_id).values_list("concurrent", flat=True).first()
    if of_plan:
        return of_plan
    return limits.concurrent_paid if wallet.is_paid(workspace_id) else limits.concurrent_free


def _has_place(workspace_id: uuid.UUID) -> bool:
    with connection.cursor() as cursor:
        # Two claims of one workspace must not both see the last place.
        cursor.execute("SELECT pg_advisory_xact_lock(7001, hashtext(%s))", [str(workspace_id)])
        cursor.execute(_IN_HAND, [workspace_id])
        (in_hand,) = cursor.fetchone()
    return bool(in_hand < catalog.current().limits.concurrent_free or in_hand < limit_of(workspace_id))


def wait_in_line(generation_id: uuid.UUID) -> datetime.datetime:
    """Let a queued generation wait for a place; the end of another rings it, recovery looks anyway."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE generations_generation SET wake_at = now() + %s * interval '1 second'"
            " WHERE id = %s RETURNING wake_at",
            [LINE_SECONDS, generation_id],
        )
        (wake_at,) = cursor.fetchone()
    assert isinstance(wake_at, datetime.datetime)
    return wake_at


def renew(owner: str, generation_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Renew `owner`'s leases on these generations in one statement; returns those it still owns."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [leases.SECONDS, list(generation_ids), owner])
        return {row[0] for row in cursor.fetchall()}


def hand_over(generation_id: uuid.UUID, epoch: int, *, seconds: float) -> datetime.datetime | None:
    """Give the lease back and ask to be woken after `seconds`; returns when, or None if it was no longer ours."""
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OVER, [seconds, generation_id, epoch])
        row = cursor.fetchone()
    return row[0] if row else None


def fence(generation_id: uuid.UUID, epoch: int) -> Generation:
    """Lock the generation's row for a write under `epoch` and return it; raises Stale when it is no longer ours.

    Must be the first statement of the caller's transaction, so that every writer waits here and nowhere else.
    """
    with connection.cursor() as cursor:
        cursor.execute(_with_columns(_FENCE), [generation_id, epoch])
        row = cursor.fetchone()
    if row is None:
        raise Stale(str(generation_id))
    return instances.made(Generation, row)


@functools.cache
def _with_columns(statement: str) -> str:
    """Name a generation's columns, which the models know only when the applications are loaded."""
    return statement.format(generation=instances.columns(Generation, "generation"))


def next_in_line(workspace_id: uuid.UUID, places: int = 1) -> Sequence[uuid.UUID]:
    """Return the oldest queued generations of the workspace that nobody holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM generations_generation WHERE workspace_id = %s AND state = 'queued'"
            " AND (lease_expires_at IS NULL OR lease_expires_at < now()) ORDER BY created_at, id LIMIT %s",
            [workspace_id, places],
        )
        return [row[0] for row in cursor.fetchall()]


def seconds_left(generation_id: uuid.UUID) -> float:
    """Return the seconds until the generation's deadline, by the database's clock (0 when it has passed)."""
    return max(0.0, -_seconds_since("deadline_at", generation_id))


def age(generation_id: uuid.UUID) -> float:
    """Return the seconds since the generation was submitted, by the database's clock."""
    return _seconds_since("created_at", generation_id)


def _seconds_since(column: str, generation_id: uuid.UUID) -> float:
    assert column in {"deadline_at", "created_at"}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT extract(epoch FROM now() - {column}) FROM generations_generation WHERE id = %s",  # noqa: S608 (one of two names)
            [generation_id],
        )
        return float(cursor.fetchone()[0])
