"""Teams: workspaces of several people, and what changes who is in them and with which role.

Invariants: a team has exactly one owner (the database refuses a second one, no verb here takes the last one away);
nobody but the owner touches the owner. Each verb locks the workspace's row and reads the actor's role again behind
that lock, so that two admins who remove each other do it one after the other. Inviting is in `team_invitations`.
"""

from django.db import transaction

from gesso.accounts import workspaces
from gesso.accounts.models import ApiKey, Membership, User, Workspace
from gesso.core import clock

NAME_MOST = 80  # characters
OWNED_MOST = 20  # teams of one person
CREDITS_MOST = 1_000_000_000  # the largest allowance or limit, as the ledger's largest grant

Role = Membership.Role


class NotAllowed(Exception):
    """The person's role does not allow it, or no longer does."""


class NoSuchMember(Exception):
    """There is no such member in this team."""


class Refused(Exception):
    """It can't be done; the message says why. Nothing has changed."""


def create(user: User, name: str) -> Membership:
    """Make a team that the person owns; returns their membership. Raises Refused for a bad name or too many teams."""
    name = checked_name(name)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        owned = Membership.objects.filter(user=user, role=Role.OWNER, workspace__kind=Workspace.Kind.TEAM)
        if owned.count() >= OWNED_MOST:
            raise Refused(f"One person can own {OWNED_MOST} teams. Hand one over or use one of them.")
        team = Workspace.objects.create(name=name, kind=Workspace.Kind.TEAM)
        return Membership.objects.create(workspace=team, user=user, role=Role.OWNER)


def checked_name(name: str) -> str:
    """Return a team's name with single spaces. Raises Refused unless it has 1 to 80 printable characters."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_MOST or not name.isprintable():
        raise Refused(f"Give the team a name of 1 to {NAME_MOST} characters.")
    return name


@transaction.atomic
def rename(actor: Membership, name: str) -> None:
    """Give the team another name. Raises NotAllowed, Refused."""
    acting(actor, "manage")
    Workspace.objects.filter(id=actor.workspace_id).update(name=checked_name(name))


@transaction.atomic
def change_role(actor: Membership, member_id: int, role: str) -> Membership:
    """Make a member admin, member or viewer. Raises NotAllowed, NoSuchMember, Refused."""
    acting(actor, "manage")
    if role not in {Role.ADMIN, Role.MEMBER, Role.VIEWER}:
        raise Refused("Choose admin, member or viewer.")
    target = _target(actor, member_id)
    target.role = role
    Membership.objects.filter(id=target.id).update(role=role)
    return target


@transaction.atomic
def remove(actor: Membership, member_id: int) -> Membership:
    """Take a member out of the team; returns who it was. Raises NotAllowed, NoSuchMember, Refused."""
    acting(actor, "manage")
    target = _target(actor, member_id)
    _end(target)
    return target


@transaction.atomic
def leave(actor: Membership) -> None:
    """Leave the team. Raises Refused for its owner."""
    ours = acting(actor, "view")
    if ours.role == Role.OWNER:
        raise Refused("The owner can't leave. Hand the team over first.")
    _end(ours)


@transaction.atomic
def allow(actor: Membership, member_id: int, monthly_cap: int | None) -> Membership:
    """Set how many credits a member may spend in a calendar month; None: as many as there are.

    Raises NotAllowed, NoSuchMember, Refused.
    """
    acting(actor, "manage")
    _check_credits(monthly_cap)
    target = _target(actor, member_id)
    target.monthly_cap = monthly_cap
    Membership.objects.filter(id=target.id).update(monthly_cap=monthly_cap)
    return target


@transaction.atomic
def ask_above(actor: Membership, limit: int | None) -> None:
    """Let members' requests of more than `limit` credits wait for an admin; None: never. Raises NotAllowed, Refused."""
    acting(actor, "manage")
    _check_credits(limit)
    Workspace.objects.filter(id=actor.workspace_id).update(approval_above=limit)


@transaction.atomic
def hand_over(actor: Membership, member_id: int, typed_name: str) -> Membership:
    """Make another member the owner at once; the old owner becomes an admin. `typed_name` must be the team's name.

    The new owner has no allowance. Raises NotAllowed, NoSuchMember, Refused.
    """
    ours = acting(actor, "own")
    target = Membership.objects.select_related("user").filter(workspace_id=actor.workspace_id, id=member_id).first()
    if target is None:
        raise NoSuchMember
    if target.id == ours.id:
        raise Refused("You own this team already.")
    if target.role == Role.VIEWER or not target.user.is_active:
        raise Refused("A team can be handed to an admin or a member.")
    if " ".join(typed_name.split()) != ours.workspace.name:
        raise Refused("Type the team's name as it is written to hand it over.")
    Membership.objects.filter(id=ours.id).update(role=Role.ADMIN)
    Membership.objects.filter(id=target.id).update(role=Role.OWNER, monthly_cap=None)
    target.role, target.monthly_cap = Role.OWNER, None
    return target


def acting(actor: Membership, deed: workspaces.Deed) -> Membership:
    """Lock the team and return the actor's membership as it is now. Raises NotAllowed. Needs a transaction."""
    team = Workspace.objects.select_for_update(no_key=True).filter(id=actor.workspace_id, kind=Workspace.Kind.TEAM)
    if team.first() is None:
        raise NotAllowed("This is a personal workspace. Teams have members.")
    now = Membership.objects.select_related("workspace").filter(id=actor.id, workspace_id=actor.workspace_id).first()
    if now is None or not workspaces.can(now, deed):
        raise NotAllowed("Your role in this team doesn't allow that.")
    return now


def _target(actor: Membership, member_id: int) -> Membership:
    target = Membership.objects.select_related("user").filter(workspace_id=actor.workspace_id, id=member_id).first()
    if target is None:
        raise NoSuchMember
    if target.role == Role.OWNER:
        raise Refused("The owner stays as they are until they hand the team over.")
    return target


def _end(membership: Membership) -> None:
    """End a membership and revoke its keys, lest they come back to life if the person is invited again."""
    keys = ApiKey.objects.filter(workspace_id=membership.workspace_id, user_id=membership.user_id, revoked_at=None)
    keys.update(revoked_at=clock.now())
    Membership.objects.filter(id=membership.id).delete()


def _check_credits(amount: int | None) -> None:
    if amount is not None and not 0 <= amount <= CREDITS_MOST:
        raise Refused(f"Write a number of credits from 0 to {CREDITS_MOST:,}, or nothing for no limit.")
