"""Free daily credits: granted when they are first looked for on a day, gone at the instance's midnight.

Invariants, kept by constraints: a grant's reference names workspace and day, so that twice at once is once; on one day
a mailbox gets them once, however its address is spelled, and a network no more often than the catalogue's `per_network`
says (its places are numbered, each is taken once). There is no nightly job.

Not counted by network: staff, whom the operator knows, and whoever comes from this machine, a LAN or a VPN: the people
of a home or an office share an address of their own, and reach an instance that is theirs.
"""

import datetime
import uuid
from typing import Any

from django.db import connection, transaction

from gesso.accounts import mailboxes
from gesso.accounts.models import User, Workspace
from gesso.core import catalog, clock, networks
from gesso.credits import ledger
from gesso.credits.models import DailyPlace

KEPT = datetime.timedelta(days=7)  # how long it is known, by digest, from where daily credits were taken
UNPROVED = "Daily credits come once you have proved your email address."
CROWDED = "No daily credits today: enough people on your network have had theirs. There are new ones tomorrow."
ELSEWHERE = "No daily credits here today: another account with your mailbox has had them. There are new ones tomorrow."


def ensure(workspace: Workspace, now: datetime.datetime | None = None) -> str:
    """Grant today's daily credits to a personal workspace of a person with a verified email, once.

    `now` is this transaction's own, where the caller has asked for it already.
    Returns a sentence that says why there are none today; empty when they are there, or nobody gets any here.
    """
    daily = catalog.current().credits.daily
    if not daily or workspace.kind != Workspace.Kind.PERSONAL:
        return ""
    now = now or clock.now()
    day = clock.day_of(now)
    reference = _reference(workspace.id, day.isoformat())
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM credits_creditgrant WHERE reference = %s", [reference])
        if cursor.fetchone() is not None:
            return ""
    mailbox = mailboxes.of(workspace.id)
    if not mailbox:
        return UNPROVED
    with transaction.atomic():
        if refusal := _take_place(workspace, day, mailbox):
            return refusal
        ledger.grant(
            workspace.id, source="daily", amount=daily, reference=reference, expires_at=clock.end_of_day(now),
            reason="Free credits of the day",
        )  # fmt: skip
    return ""


def welcome(workspace: Workspace) -> None:
    """Grant what the owner of an install begins with, once."""
    if credits_ := catalog.current().credits.owner_grant:
        ledger.grant(workspace.id, source="staff", amount=credits_, reference=f"owner:{workspace.id}")


def forget() -> int:
    """Delete what is known about the days before the last seven; returns how many rows."""
    return DailyPlace.objects.filter(day__lt=clock.day_of(clock.now() - KEPT)).delete()[0]


def _reference(workspace_id: uuid.UUID, day: str) -> str:
    return f"daily:{workspace_id}:{day}"


def _take_place(workspace: Workspace, day: datetime.date, mailbox: str) -> str:
    """Take the workspace's place of the day; returns why it can't have one."""
    most, network = catalog.current().free.per_network, networks.current_public()
    if not most or not network or User.objects.filter(personal_workspace=workspace.id, is_staff=True).exists():
        most, network = 0, ""
    row: dict[str, Any] = {
        "workspace": workspace.id,
        "day": day,
        "mailbox": networks.digest(f"daily mailbox {day}", mailbox),
        "network": networks.digest(f"daily network {day}", network) if network else None,
        "most": most,
    }
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_LOOK, row)
            ours, mailbox_used, free = cursor.fetchone()
            if ours:
                return ""
            if mailbox_used:
                return ELSEWHERE
            if network and free is None:
                return CROWDED
            cursor.execute(_TAKE, row | {"place": free})
            if cursor.rowcount:
                return ""
            # Somebody took this place, or came with this mailbox, in the same moment: look again.


_LOOK = """
SELECT EXISTS (SELECT FROM credits_dailyplace WHERE day = %(day)s AND workspace_id = %(workspace)s),
       EXISTS (SELECT FROM credits_dailyplace WHERE day = %(day)s AND mailbox = %(mailbox)s),
       (SELECT min(free) FROM generate_series(1, %(most)s) AS free WHERE NOT EXISTS (
            SELECT FROM credits_dailyplace AS taken
            WHERE taken.day = %(day)s AND taken.network = %(network)s AND taken.place = free))
"""
_TAKE = """
INSERT INTO credits_dailyplace (workspace_id, day, mailbox, network, place)
VALUES (%(workspace)s, %(day)s, %(mailbox)s, %(network)s, %(place)s) ON CONFLICT DO NOTHING
"""
