"""What a member of a team may spend: an allowance for each calendar month, and the limit above which an admin agrees.

Invariant: what a member spent in a month (held and charged for what they asked for in it; what was returned doesn't
count) is never more than their allowance, however many ask at once: `require_room` is called behind the lock on the
workspace's credits, where every earlier hold of the team is to be seen. Personal workspaces have neither limit, and
pay no statement for it. Whose allowance it is and who sets it: `accounts.teams`.
"""

import dataclasses
import datetime
import uuid
import zoneinfo

from django.conf import settings
from django.db import connection

from gesso.accounts import workspaces
from gesso.accounts.models import Membership, User, Workspace
from gesso.core import clock

# Of each part of a hold: what is held still, or was charged and not returned since.
_SPENT = """
SELECT generation.member_id, sum(part.amount - part.released - part.returned)
FROM generations_generation AS generation
JOIN credits_holdpart AS part ON part.hold_id = generation.hold_id
WHERE generation.workspace_id = %(workspace)s AND generation.created_at >= %(since)s {whose}
GROUP BY generation.member_id
"""
_SPENT_BY_ALL = _SPENT.format(whose="")
_ROOM = f"""
SELECT membership.monthly_cap, coalesce(spent.sum, 0)
FROM accounts_membership AS membership
LEFT JOIN LATERAL ({_SPENT.format(whose="AND generation.member_id = membership.user_id")}) AS spent
       ON membership.monthly_cap IS NOT NULL
WHERE membership.workspace_id = %(workspace)s AND membership.user_id = %(member)s
"""  # noqa: S608 (both parts stand above; what a caller gives are parameters)


class OverAllowance(Exception):
    """The member's allowance for this month has less room than is needed: `left` of `cap` against `needed`, credits."""

    def __init__(self, needed: int, left: int, cap: int) -> None:
        super().__init__(
            f"This needs {needed:,} credits. Your allowance has {left:,} of {cap:,} left this month. "
            "An admin of the team can raise it."
        )
        self.needed, self.left, self.cap = needed, left, cap


@dataclasses.dataclass(frozen=True)
class Allowance:
    """What a member has spent in this month, and may spend in it (`cap` None: as much as there is), in credits."""

    spent: int
    cap: int | None

    @property
    def left(self) -> int | None:
        """What may still be spent; None for no limit."""
        return None if self.cap is None else max(0, self.cap - self.spent)


def month_of(moment: datetime.datetime) -> datetime.datetime:
    """Return the beginning of the instance's calendar month (GESSO_TIMEZONE) that `moment` falls in."""
    first = clock.day_of(moment).replace(day=1)
    return datetime.datetime.combine(first, datetime.time.min, tzinfo=zoneinfo.ZoneInfo(settings.TIME_ZONE))


def spent_by_all(workspace: Workspace) -> dict[int | None, int]:
    """Return by user what each has spent in this month, in credits; people who have left are in it too."""
    with connection.cursor() as cursor:
        cursor.execute(_SPENT_BY_ALL, {"workspace": workspace.id, "since": month_of(clock.now())})
        return {member: int(total) for member, total in cursor.fetchall()}


def allowance(membership: Membership) -> Allowance:
    """Return what a member has spent and may spend in this month."""
    return Allowance(spent_by_all(membership.workspace).get(membership.user_id, 0), membership.monthly_cap)


def asks_above(workspace: Workspace, member: User | None, total: int) -> int | None:
    """Return the team's limit where `total` credits are above it and the member has to ask an admin, else None."""
    above = workspace.approval_above if workspace.kind == Workspace.Kind.TEAM else None
    if member is None or above is None or total <= above:
        return None
    ours = Membership.objects.filter(workspace=workspace, user=member).first()
    return None if ours and workspaces.can(ours, "unasked") else above


def require_room(workspace: Workspace, member: User | None, total: int, now: datetime.datetime) -> None:
    """Raise OverAllowance where the member has spent more than their allowance in this month.

    What `total` is of is held already, but its generations are not written yet. One statement, for teams only.
    """
    if member is None or workspace.kind != Workspace.Kind.TEAM:
        return
    cap, spent = _room(workspace.id, member, now)
    if cap is not None and spent + total > cap:
        raise OverAllowance(total, max(0, cap - spent), cap)


def _room(workspace_id: uuid.UUID, member: User, now: datetime.datetime) -> tuple[int | None, int]:
    with connection.cursor() as cursor:
        cursor.execute(_ROOM, {"workspace": workspace_id, "member": member.pk, "since": month_of(now)})
        found = cursor.fetchone()
    return (found[0], int(found[1])) if found else (None, 0)
