"""Workspaces and roles: who may do what where. A person always has a personal workspace of their own.

What changes a team's people is in `teams` and `team_invitations`.
"""

from collections.abc import Sequence
from typing import Literal

from allauth.account.models import EmailAddress
from django.db import transaction

from gesso.accounts.models import Membership, User, Workspace

# manage: people, invitations, allowances, approvals; unasked: generates without anybody's approval; own: hands over.
Deed = Literal["view", "generate", "manage", "unasked", "own"]
_DEEDS: dict[str, frozenset[str]] = {
    Membership.Role.OWNER: frozenset({"view", "generate", "manage", "unasked", "own"}),
    Membership.Role.ADMIN: frozenset({"view", "generate", "manage", "unasked"}),
    Membership.Role.MEMBER: frozenset({"view", "generate"}),
    Membership.Role.VIEWER: frozenset({"view"}),
}


@transaction.atomic
def open_personal(user: User) -> Workspace:
    """Return the person's own workspace, making it and its owner membership on first use."""
    workspace, _ = Workspace.objects.get_or_create(
        person=user, defaults={"kind": Workspace.Kind.PERSONAL, "name": user.name or user.email.partition("@")[0]}
    )
    Membership.objects.get_or_create(workspace=workspace, user=user, defaults={"role": Membership.Role.OWNER})
    return workspace


def of(user: User) -> Sequence[Membership]:
    """Return the person's memberships with their workspaces: the personal one first, teams by name (one query)."""
    rows = list(Membership.objects.select_related("workspace").filter(user=user))
    if all(row.workspace.person_id != user.pk for row in rows):
        rows.append(Membership.objects.select_related("workspace").get(workspace=open_personal(user), user=user))
    return sorted(rows, key=lambda row: (row.workspace.person_id != user.pk, row.workspace.name.casefold()))


def current(user: User, chosen: str | None) -> Membership:
    """Return the person's membership of the chosen workspace if there is one, else of their personal one."""
    return pick(of(user), chosen)


def pick(memberships: Sequence[Membership], chosen: str | None) -> Membership:
    """Return of `of`'s answer the chosen workspace's, or the personal one where that is no longer theirs."""
    return next((row for row in memberships if str(row.workspace_id) == chosen), memberships[0])


def can(membership: Membership, deed: Deed) -> bool:
    """Return whether this role may do that."""
    return deed in _DEEDS[membership.role]


def verify_email(user: User) -> None:
    """Note that the person's email address is proved, as whoever opened a link we made for them has."""
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
