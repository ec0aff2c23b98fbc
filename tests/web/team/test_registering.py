"""An invitation to a team lets its address make an account where accounts are by invitation, and leads to the team."""

import dataclasses
import re

import pytest
from django.core import mail
from django.test import Client

from gesso.accounts import mail as our_mail
from gesso.accounts import team_invitations
from gesso.accounts.models import Membership, TeamInvitation, User
from tests.accounts import crew
from tests.web.team.test_team import text

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"
SIGN_UP = "/accounts/signup/"


@pytest.fixture(autouse=True)
def by_invitation(settings, monkeypatch):
    settings.GESSO = dataclasses.replace(settings.GESSO, registration="invite")
    monkeypatch.setattr(our_mail, "send_soon", lambda message: message.send())


@pytest.fixture
def us() -> crew.Crew:
    return crew.gather()


@pytest.fixture
def link(us) -> str:
    return "/join/" + team_invitations.invite(us.membership("owner"), "bob@example.com", "member")[-43:]


def test_the_invited_address_makes_an_account_and_joins(us, link):
    client = Client()
    assert f"{SIGN_UP}?next=" in text(client.get(link))
    page = text(client.get(f"{SIGN_UP}?next={link}"))
    assert 'value="bob@example.com"' in page and "Invitation code" not in page
    client.post(f"{SIGN_UP}?next={link}", {"email": "Bob@example.com", "password1": PASSWORD, "next": link})
    code = re.search(r"^([A-Z0-9-]{6,})$", mail.outbox[-1].body, re.MULTILINE)[1]
    answer = client.post("/accounts/confirm-email/", {"code": code})
    assert answer["Location"] == link
    assert client.post(link)["Location"] == "/team"
    assert Membership.objects.get(workspace=us.workspace, user__email="bob@example.com").role == "member"


def test_another_address_makes_none(us, link):
    client = Client()
    client.get(link)
    answer = client.post(SIGN_UP, {"email": "eve@example.com", "password1": PASSWORD})
    assert "The invitation is for bob@example.com." in text(answer)
    assert not User.objects.filter(email="eve@example.com").exists()


@pytest.mark.parametrize("end", ["taken back", "never looked at", "closed"])
def test_without_an_open_invitation_the_door_is_shut(us, link, end, settings):
    client = Client()
    if end != "never looked at":
        client.get(link)
    if end == "taken back":
        team_invitations.revoke(us.membership("owner"), TeamInvitation.objects.get().id)
    if end == "closed":
        settings.GESSO = dataclasses.replace(settings.GESSO, registration="closed")
    client.post(SIGN_UP, {"email": "bob@example.com", "password1": PASSWORD})
    assert "by invitation" in text(client.get(SIGN_UP))
    assert not User.objects.filter(email="bob@example.com").exists()
