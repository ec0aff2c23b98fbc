"""Free daily credits: granted when they are first looked for on a day, gone at the instance's midnight.

A grant's reference names workspace and day, so that twice at once is once. There is no nightly job.
"""

import uuid

from django.db import connection

from gesso.accounts import workspaces
from gesso.accounts.models import Workspace
from gesso.core import catalog, clock
from gesso.credits import ledger


def ensure(workspace: Workspace) -> None:
    """Grant today's daily credits to a personal workspace of a person with a verified email, once."""
    daily = catalog.current().credits.daily
    if not daily or workspace.kind != Workspace.Kind.PERSONAL:
        return
    now = clock.now()
    reference = _reference(workspace.id, clock.day_of(now).isoformat())
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM credits_creditgrant WHERE reference = %s", [reference])
        granted = cursor.fetchone() is not None
    if granted or not workspaces.verified_person(workspace.id):
        return
    ledger.grant(
        workspace.id, source="daily", amount=daily, reference=reference, expires_at=clock.end_of_day(now),
        reason="Free credits of the day",
    )  # fmt: skip


def welcome(workspace: Workspace) -> None:
    """Grant what the owner of an install begins with, once."""
    if credits_ := catalog.current().credits.owner_grant:
        ledger.grant(workspace.id, source="staff", amount=credits_, reference=f"owner:{workspace.id}")


def _reference(workspace_id: uuid.UUID, day: str) -> str:
    return f"daily:{workspace_id}:{day}"
