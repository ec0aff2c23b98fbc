"""Invitations to a team: one address, one open invitation, one week, one use, and never more people than the plan has."""

import concurrent.futures
import dataclasses
import datetime

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from gesso.accounts import invitations, team_invitations, teams, workspaces
from gesso.accounts import mail as our_mail
from gesso.accounts.models import Membership, TeamInvitation, User, Workspace
from tests import world
from tests.accounts import crew

pytestmark = pytest.mark.django_db


def secret_of(link: str) -> str:
    return link.rpartition("/")[2]


def newcomer(email: str = "bob@example.com", *, verified: bool = True) -> User:
    who = world.person(email=email)
    if verified:
        workspaces.verify_email(who.user)
    return who.user


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("admin", True), ("member", False), ("viewer", False)])
def test_owner_and_admins_invite_send_again_and_take_back(role, may):
    us = crew.gather()
    link = team_invitations.invite(us.membership("owner"), "bob@example.com", "member")
    known = TeamInvitation.objects.get()
    actor = us.membership(role)
    deeds = [
        lambda: team_invitations.invite(actor, "eve@example.com", "viewer"),
        lambda: team_invitations.send_again(actor, known.id),
        lambda: team_invitations.revoke(actor, known.id),
    ]
    for deed in deeds:
        if may:
            deed()
        else:
            with pytest.raises(teams.NotAllowed):
                deed()
    assert TeamInvitation.objects.filter(email="eve@example.com").exists() == may
    assert (team_invitations.welcome_address(secret_of(link)) == "") == may


def test_accepting_gives_the_role_once():
    us = crew.gather()
    secret = secret_of(team_invitations.invite(us.membership("admin"), " Bob@Example.com ", "viewer"))
    assert secret not in str(TeamInvitation.objects.values().get())
    bob = newcomer()
    assert team_invitations.find(secret).email == "bob@example.com"
    made = team_invitations.accept(bob, secret)
    assert (made.workspace_id, made.role) == (us.workspace.id, "viewer")
    with pytest.raises(team_invitations.Closed, match="used already"):
        team_invitations.accept(bob, secret)
    with pytest.raises(teams.Refused, match="in this team already"):
        team_invitations.invite(us.membership("admin"), "BOB@example.com", "admin")


@pytest.mark.parametrize("who", ["another address", "not proved"])
def test_only_who_proved_the_address_accepts(who):
    us = crew.gather()
    secret = secret_of(team_invitations.invite(us.membership("owner"), "bob@example.com", "member"))
    user = newcomer("eve@example.com") if who == "another address" else newcomer(verified=False)
    with pytest.raises(team_invitations.SomebodyElses):
        team_invitations.accept(user, secret)
    assert not Membership.objects.filter(workspace=us.workspace, user=user).exists()
    assert team_invitations.find(secret)


def test_the_same_address_again_renews_the_one_invitation():
    us = crew.gather()
    older = secret_of(team_invitations.invite(us.membership("owner"), "bob@example.com", "member"))
    newer = secret_of(team_invitations.invite(us.membership("admin"), "BOB@example.com", "admin"))
    assert TeamInvitation.objects.count() == 1
    with pytest.raises(team_invitations.Closed, match="newer one"):
        team_invitations.find(older)
    assert team_invitations.accept(newcomer(), newer).role == "admin"


@pytest.mark.parametrize(
    ("end", "words"),
    [("revoked", "taken back"), ("expired", "older than 7 days"), ("unknown", "no such invitation")],
)
def test_a_closed_door_says_why(end, words):
    us = crew.gather()
    secret = secret_of(team_invitations.invite(us.membership("owner"), "bob@example.com", "member"))
    known = TeamInvitation.objects.get()
    if end == "revoked":
        team_invitations.revoke(us.membership("owner"), known.id)
    elif end == "expired":
        TeamInvitation.objects.update(expires_at=timezone.now() - datetime.timedelta(hours=1))
    else:
        secret += "x"
    bob = newcomer()
    for deed in (lambda: team_invitations.find(secret), lambda: team_invitations.accept(bob, secret)):
        with pytest.raises(team_invitations.Closed, match=words):
            deed()
    assert not Membership.objects.filter(workspace=us.workspace, user=bob).exists()


def test_another_teams_invitation_is_not_there():
    us, them = crew.gather(), crew.gather()
    team_invitations.invite(us.membership("owner"), "bob@example.com", "member")
    known = TeamInvitation.objects.get()
    for deed in (team_invitations.send_again, team_invitations.revoke):
        with pytest.raises(team_invitations.NoSuchInvitation):
            deed(them.membership("owner"), known.id)


def test_members_and_open_invitations_count_against_the_plan():
    us = crew.gather()
    Workspace.objects.filter(id=us.workspace.id).update(members_most=5)
    owner = us.membership("owner")
    secret = secret_of(team_invitations.invite(owner, "bob@example.com", "member"))
    with pytest.raises(teams.Refused, match="allows 5 members"):
        team_invitations.invite(owner, "eve@example.com", "member")
    secret = secret_of(team_invitations.invite(owner, "bob@example.com", "member"))  # the same one again is no more
    Workspace.objects.filter(id=us.workspace.id).update(members_most=4)
    with pytest.raises(team_invitations.Closed, match="as many members"):
        team_invitations.accept(newcomer(), secret)
    TeamInvitation.objects.update(expires_at=timezone.now() - datetime.timedelta(hours=1))
    Workspace.objects.filter(id=us.workspace.id).update(members_most=5)
    assert team_invitations.invite(owner, "eve@example.com", "member")  # an expired one takes no place


@pytest.mark.parametrize("bad", ["", "nonsense", "a" * 300 + "@example.com"])
def test_what_is_no_address_is_refused(bad):
    us = crew.gather()
    with pytest.raises(invitations.BadInvitation):
        team_invitations.invite(us.membership("owner"), bad, "member")
    for role in ("owner", "", "king"):
        with pytest.raises(teams.Refused):
            team_invitations.invite(us.membership("owner"), "bob@example.com", role)
    assert not TeamInvitation.objects.exists()


def test_nobody_is_a_source_of_unasked_mail(monkeypatch):
    us = crew.gather()
    monkeypatch.setattr(team_invitations, "A_DAY_MOST", 2)
    owner = us.membership("owner")
    for number in range(2):
        team_invitations.invite(owner, f"p{number}@example.com", "member")
    with pytest.raises(teams.Refused, match="2 invitations today"):
        team_invitations.invite(owner, "p3@example.com", "member")
    for _ in range(team_invitations.SENT_MOST - 1):
        team_invitations.invite(owner, "p0@example.com", "member")
    with pytest.raises(teams.Refused, match="was sent 5 times"):
        team_invitations.invite(owner, "p0@example.com", "member")


def test_the_link_goes_out_by_mail_when_the_row_stands(settings, monkeypatch, django_capture_on_commit_callbacks):
    settings.GESSO = dataclasses.replace(settings.GESSO, email_url="smtp://127.0.0.1")
    monkeypatch.setattr(our_mail, "send_soon", lambda message: message.send())
    us = crew.gather()
    with django_capture_on_commit_callbacks(execute=True):
        link = team_invitations.invite(us.membership("owner"), "bob@example.com", "member")
    [message] = mail.outbox
    assert message.to == ["bob@example.com"]
    assert link in message.body and "Studio Nord" in message.body
    with pytest.raises(teams.NotAllowed), django_capture_on_commit_callbacks(execute=True):
        team_invitations.invite(us.membership("viewer"), "eve@example.com", "member")
    assert len(mail.outbox) == 1


def at_once(deed, count: int) -> list[str]:
    def run(number: int) -> str:
        try:
            deed(number)
        except (teams.Refused, team_invitations.Closed) as refused:
            return type(refused).__name__
        finally:
            connection.close()
        return "done"

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(run, range(count)))


@pytest.mark.django_db(transaction=True)
def test_one_token_used_ten_times_at_once_is_one_membership():
    us = crew.gather()
    secret = secret_of(team_invitations.invite(us.membership("owner"), "bob@example.com", "member"))
    bob = newcomer()
    assert at_once(lambda _: team_invitations.accept(bob, secret), 10) == ["Closed"] * 9 + ["done"]
    assert Membership.objects.filter(workspace=us.workspace, user=bob).count() == 1


@pytest.mark.django_db(transaction=True)
def test_ten_invited_at_once_to_two_free_places_are_two():
    us = crew.gather()
    Workspace.objects.filter(id=us.workspace.id).update(members_most=6)
    owner = us.membership("owner")
    found = at_once(lambda number: team_invitations.invite(owner, f"p{number}@example.com", "member"), 10)
    assert found == ["Refused"] * 8 + ["done"] * 2
    assert TeamInvitation.objects.count() == 2
