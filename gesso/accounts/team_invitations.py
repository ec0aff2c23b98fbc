"""Inviting people to a team by email: a one-time token for one address, good for a week.

Invariants: an address has at most one open invitation of a team (the database refuses a second one); members and open
invitations together are never more than the plan allows; only who proved that address can accept. The secret has 256
bits and is kept only as its SHA-256; looking at a link uses nothing up, because mail scanners look.
"""

import datetime
import hashlib
import secrets

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, QuerySet

from gesso.accounts import invitations, mail, teams
from gesso.accounts.models import Membership, TeamInvitation, User, Workspace
from gesso.core import clock

DAYS = 7
A_DAY_MOST = 50  # new invitations of one person in 24 hours
SENT_MOST = 5  # times that one invitation is sent

ROLES = (Membership.Role.MEMBER, Membership.Role.ADMIN, Membership.Role.VIEWER)


class Closed(Exception):
    """The invitation can't be used (any more); the message says why."""


class SomebodyElses(Exception):
    """The invitation is for another address than those that the person has proved; `email` is the invited one."""

    def __init__(self, email: str) -> None:
        super().__init__(f"This invitation is for {email}.")
        self.email = email


class NoSuchInvitation(Exception):
    """There is no such open invitation of this team."""


def open_of(workspace: Workspace) -> "QuerySet[TeamInvitation]":
    """Return the invitations that nobody accepted or revoked, newest first; some may have expired."""
    rows = TeamInvitation.objects.filter(workspace=workspace, accepted_at=None, revoked_at=None)
    return rows.select_related("invited_by").order_by("-created_at")


def invite(actor: Membership, email: str, role: str) -> str:
    """Invite an address to the team, mail it and return the link. The same address again renews its invitation.

    Raises teams.NotAllowed, teams.Refused, invitations.BadInvitation; nothing is sent then.
    """
    email = email.strip().lower()
    invitations.check(email)
    if role not in ROLES:
        raise teams.Refused("Choose admin, member or viewer.")
    with transaction.atomic():
        ours = teams.acting(actor, "manage")
        if Membership.objects.filter(workspace_id=ours.workspace_id, user__email__iexact=email).exists():
            raise teams.Refused(f"{email} is in this team already.")
        known = TeamInvitation.objects.filter(
            workspace_id=ours.workspace_id, email=email, accepted_at=None, revoked_at=None
        ).first()
        _check_room(ours.workspace, beside=email)
        if known:
            return _renew(ours, known, role)
        day = clock.now() - datetime.timedelta(hours=24)
        if TeamInvitation.objects.filter(invited_by=actor.user_id, created_at__gt=day).count() >= A_DAY_MOST:
            raise teams.Refused(f"You have sent {A_DAY_MOST} invitations today. Go on tomorrow.")
        secret = secrets.token_urlsafe(32)
        made = TeamInvitation.objects.create(
            workspace_id=ours.workspace_id, email=email, role=role, digest=_digest(secret),
            invited_by_id=actor.user_id, expires_at=_end(),
        )  # fmt: skip
        return _send(ours, made, secret)


@transaction.atomic
def send_again(actor: Membership, invitation_id: int) -> str:
    """Send an open invitation with a new token, good for another week. Raises as `invite`, and NoSuchInvitation."""
    ours = teams.acting(actor, "manage")
    known = open_of(ours.workspace).filter(id=invitation_id).first()
    if known is None:
        raise NoSuchInvitation
    _check_room(ours.workspace, beside=known.email)
    return _renew(ours, known, known.role)


@transaction.atomic
def revoke(actor: Membership, invitation_id: int) -> None:
    """End an open invitation; its link stops working at once. Raises teams.NotAllowed, NoSuchInvitation."""
    ours = teams.acting(actor, "manage")
    if not open_of(ours.workspace).filter(id=invitation_id).update(revoked_at=clock.now()):
        raise NoSuchInvitation


def find(secret: str) -> TeamInvitation:
    """Return the invitation that this link is of. Raises Closed. Changes nothing."""
    rows = TeamInvitation.objects.select_related("workspace", "invited_by")
    return _check_open(rows.filter(digest=_digest(secret)).first())


def welcome_address(secret: str) -> str:
    """Return the address that may register because of this link, empty for none."""
    try:
        return find(secret).email
    except Closed:
        return ""


def is_for(known: TeamInvitation, user: User) -> bool:
    """Return whether the person has proved the address that was invited."""
    return bool(EmailAddress.objects.filter(user=user, email__iexact=known.email, verified=True).exists())


def accept(user: User, secret: str) -> Membership:
    """Join the team with the role that was offered; who is in it already keeps theirs. Raises Closed, SomebodyElses."""
    known = find(secret)
    with transaction.atomic():
        team = Workspace.objects.select_for_update(no_key=True).get(id=known.workspace_id)
        known = _check_open(TeamInvitation.objects.filter(id=known.id).first())
        if not is_for(known, user):
            raise SomebodyElses(known.email)
        membership = Membership.objects.filter(workspace=team, user=user).first()
        if membership is None:
            if team.members_most is not None and team.memberships.count() >= team.members_most:
                raise Closed("This team has as many members as its plan allows. Ask whoever invited you.")
            membership = Membership.objects.create(workspace=team, user=user, role=known.role)
        TeamInvitation.objects.filter(id=known.id).update(accepted_at=clock.now())
    return membership


def _check_open(known: TeamInvitation | None) -> TeamInvitation:
    if known is None:
        raise Closed("There is no such invitation, or a newer one was sent in its place.")
    if known.accepted_at:
        raise Closed("This invitation was used already.")
    if known.revoked_at:
        raise Closed("This invitation was taken back.")
    if known.expires_at <= clock.now():
        raise Closed(f"This invitation is older than {DAYS} days. Ask for another one.")
    return known


def _check_room(team: Workspace, *, beside: str) -> None:
    """Refuse one more where the plan's number of members is reached; an invitation of `beside` counts as itself."""
    if team.members_most is None:
        return
    waiting = open_of(team).filter(expires_at__gt=clock.now()).exclude(email=beside).count()
    if team.memberships.count() + waiting >= team.members_most:
        words = f"The team's plan allows {team.members_most} members, open invitations included."
        raise teams.Refused(words)


def _renew(ours: Membership, known: TeamInvitation, role: str) -> str:
    if known.sent >= SENT_MOST:
        raise teams.Refused(f"This invitation was sent {SENT_MOST} times. Take it back and invite them anew.")
    secret = secrets.token_urlsafe(32)
    TeamInvitation.objects.filter(id=known.id).update(
        digest=_digest(secret), role=role, sent=F("sent") + 1, expires_at=_end()
    )
    known.role = role
    return _send(ours, known, secret)


def _send(ours: Membership, invitation: TeamInvitation, secret: str) -> str:
    """Mail the link once the transaction stands, where mail is set up; returns the link."""
    link = f"{settings.GESSO.base_url}/join/{secret}"
    if settings.GESSO.email_url:
        who = ours.user.name or ours.user.email
        text = (
            f"{who} invites you to {ours.workspace.name} on Gesso, a studio for AI images, as {invitation.role}.\n\n"
            f"This link lets {invitation.email} join within {DAYS} days:\n{link}\n\n"
            "If you don't know them, do nothing: nobody joins without this link.\n"
        )
        message = EmailMessage(subject="You are invited to a team on Gesso", body=text, to=[invitation.email])
        transaction.on_commit(lambda: mail.send_soon(message))
    return link


def _end() -> datetime.datetime:
    return clock.now() + datetime.timedelta(days=DAYS)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
