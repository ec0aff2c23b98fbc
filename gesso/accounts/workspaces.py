"""Workspaces and roles: who may do what where. A person always has a personal workspace of their own."""

import uuid
from typing import Literal

from allauth.account.models import EmailAddress
from django.db import transaction

from gesso.accounts.models import Membership, User, Workspace

Deed = Literal["view", "generate", "manage"]
_DEEDS: dict[str, frozenset[str]] = {
    Membership.Role.OWNER: frozenset({"view", "generate", "manage"}),
    Membership.Role.ADMIN: frozenset({"view", "generate", "manage"}),
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


def current(user: User, chosen: str | None) -> Membership:
    """Return the person's membership of the chosen workspace if there is one, else of their personal one."""
    rows = Membership.objects.select_related("workspace").filter(user=user)
    if chosen and (membership := rows.filter(workspace_id=chosen).first()):
        return membership
    personal = rows.filter(workspace__person=user).first()
    return personal or rows.get(workspace=open_personal(user))


def can(membership: Membership, deed: Deed) -> bool:
    """Return whether this role may do that."""
    return deed in _DEEDS[membership.role]


def verified_person(workspace_id: uuid.UUID) -> bool:
    """Return whether a personal workspace's person is active and has proved an email address."""
    proved = EmailAddress.objects.filter(user__personal_workspace=workspace_id, user__is_active=True, verified=True)
    return bool(proved.exists())


def verify_email(user: User) -> None:
    """Note that the person's email address is proved, as whoever opened a link we made for them has."""
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
