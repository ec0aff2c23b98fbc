"""Who is invited to a team may come in through GitHub: the whole way there and back, with GitHub's answers made here."""

import dataclasses
import urllib.parse
from typing import Self

import pytest
from allauth.socialaccount import providers
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.github import provider as github
from allauth.socialaccount.providers.github import urls as github_urls
from django.test import Client
from django.urls import include, path

from gesso.accounts import team_invitations
from gesso.accounts.models import Membership, TeamInvitation, User
from gesso.config import urls as config_urls
from gesso.core import catalog
from gesso.web.account import registration
from tests.accounts import crew
from tests.web.team.test_team import text

pytestmark = pytest.mark.django_db
INVITED = "bob@example.com"
LOGIN = "/accounts/github/login/"


class GitHub:
    """What GitHub answers to its three questions: the token, the person, and their addresses."""

    def __init__(self) -> None:
        self.emails = [{"email": "Bob@example.com", "primary": True, "verified": True}]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def request(self, method: str, url: str, **_: object) -> "Answer":
        assert (method, url) == ("POST", "https://github.com/login/oauth/access_token")
        return Answer({"access_token": "a-token", "token_type": "bearer"})

    def get(self, url: str, headers: dict[str, str]) -> "Answer":
        assert headers == {"Authorization": "token a-token"}
        person = {"id": 7, "login": "bob", "name": "Bob", "email": self.emails[0]["email"]}
        return Answer({"https://api.github.com/user": person, "https://api.github.com/user/emails": self.emails}[url])


class Answer:
    """One answer, as allauth reads it."""

    status_code = 200
    headers = {"content-type": "application/json"}

    def __init__(self, data: object) -> None:
        self.data = data

    def json(self) -> object:
        return self.data

    def raise_for_status(self) -> None: ...


class Elsewhere:
    """The addresses of an install with GitHub's keys."""

    urlpatterns = [path("accounts/", include(github_urls)), *config_urls.urlpatterns]
    handler403, handler404 = config_urls.handler403, config_urls.handler404


@pytest.fixture(autouse=True)
def hub(settings, monkeypatch) -> GitHub:
    """Set GitHub up as the settings do for an install with its keys, and answer in its place."""
    settings.GESSO = dataclasses.replace(settings.GESSO, registration="invite")
    app = {"client_id": "an-id", "secret": "a-secret", "key": ""}
    settings.SOCIALACCOUNT_PROVIDERS = {"github": {"APPS": [app], "EMAIL_AUTHENTICATION": True}}
    settings.ROOT_URLCONF = Elsewhere
    monkeypatch.setitem(providers.registry.provider_map, "github", github.GitHubProvider)
    answering = GitHub()
    monkeypatch.setattr(registration.SocialAdapter, "get_requests_session", lambda _: answering)
    return answering


@pytest.fixture
def us() -> crew.Crew:
    return crew.gather()


@pytest.fixture
def link(us) -> str:
    return "/join/" + team_invitations.invite(us.membership("owner"), INVITED, "admin")[-43:]


def come_in(client: Client, address: str = LOGIN):
    """Press "Continue with GitHub" and come back from there."""
    there = urllib.parse.urlsplit(client.post(address)["Location"])
    assert there.hostname == "github.com"
    state = urllib.parse.parse_qs(there.query)["state"][0]
    return client.get(f"{LOGIN}callback/", {"code": "a-code", "state": state})


def test_who_is_invited_comes_in_through_github_and_joins(us, link):
    client = Client()
    page = text(client.get("/accounts/login/?next=" + link))
    assert f'action="{LOGIN}?next={urllib.parse.quote(link, safe="")}"' in page
    client.get(link)
    assert come_in(client, f"{LOGIN}?next={urllib.parse.quote(link)}")["Location"] == link
    assert "Join the team" in text(client.get(link))
    assert client.post(link)["Location"] == "/team"
    joined = Membership.objects.get(workspace=us.workspace, user__email=INVITED)
    assert (joined.role, SocialAccount.objects.get().user) == ("admin", joined.user)


@pytest.mark.parametrize("registration", ["open", "invite"])
def test_the_invitation_is_shown_again_where_the_way_to_it_was_lost(link, settings, registration):
    settings.GESSO = dataclasses.replace(settings.GESSO, registration=registration)
    client = Client()
    client.get(link)
    assert come_in(client)["Location"] == link
    client.post(link)
    client.logout()
    assert come_in(client)["Location"] == "/studio"  # used: there is nothing to come back to


def test_an_invited_second_address_of_github_opens_the_door_too(hub, us, link):
    hub.emails.insert(0, {"email": "bob@elsewhere.example", "primary": True, "verified": True})
    hub.emails[1]["primary"] = False
    client = Client()
    client.get(link)
    assert come_in(client)["Location"] == link
    assert client.post(link)["Location"] == "/team"


@pytest.mark.parametrize("how", ["another address", "not proved", "never looked at", "taken back", "closed", "blocked"])
def test_nobody_else_comes_in_by_it(hub, us, link, how, settings, monkeypatch):
    client = Client()
    if how != "never looked at":
        client.get(link)
    if how == "another address":
        hub.emails[0]["email"] = "eve@example.com"
    elif how == "not proved":
        hub.emails[0]["verified"] = False
    elif how == "taken back":
        team_invitations.revoke(us.membership("owner"), TeamInvitation.objects.get().id)
    elif how == "closed":
        settings.GESSO = dataclasses.replace(settings.GESSO, registration="closed")
    elif how == "blocked":
        rules = catalog.current()
        free = rules.free.model_copy(update={"blocked_domains": ("example.com",)})
        monkeypatch.setattr(catalog, "current", lambda: rules.model_copy(update={"free": free}))
    people = User.objects.count()
    assert come_in(client).status_code == 200
    assert User.objects.count() == people and not SocialAccount.objects.exists()
    assert "_auth_user_id" not in client.session


def test_who_has_an_account_already_comes_back_to_the_invitation(us, link):
    known = us.people["member"].user
    User.objects.filter(pk=known.pk).update(email=INVITED)
    known.emailaddress_set.update(email=INVITED)
    TeamInvitation.objects.update(workspace=crew.gather(name="Elsewhere").workspace)
    client = Client()
    client.get(link)
    assert come_in(client)["Location"] == link
    assert client.post(link)["Location"] == "/team"
    assert Membership.objects.filter(user=known, workspace__name="Elsewhere", role="admin").exists()
