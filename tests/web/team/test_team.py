"""The team's pages: who sees and does what as a table, switching, joining, and other people's ids."""

import re

import pytest
from django.test import Client

from gesso.accounts import api_keys, team_invitations, teams, workspaces
from gesso.accounts.models import Membership, TeamInvitation, Workspace
from gesso.generations import submission
from gesso.web import access
from tests import world
from tests.accounts import crew

pytestmark = pytest.mark.django_db
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def us() -> crew.Crew:
    return crew.gather(credits=200)


def browser(user, workspace: Workspace | None = None) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    if workspace:
        session = client.session
        session[access.CHOSEN] = str(workspace.id)
        session.save()
    return client


def at(us: crew.Crew, role: str) -> Client:
    return browser(us.user(role), us.workspace)


def text(answer) -> str:
    return answer.content.decode()


# address -> (what is sent, who may: owner, admin, member, viewer). A refusal is 403.
FORMS = {
    "/team/name": ({"name": "Studio Süd"}, (1, 1, 0, 0)),
    "/team/limit": ({"limit": "40"}, (1, 1, 0, 0)),
    "/team/members/{target}/role": ({"role": "viewer"}, (1, 1, 0, 0)),
    "/team/members/{target}/allowance": ({"cap": "40"}, (1, 1, 0, 0)),
    "/team/members/{target}/remove": ({}, (1, 1, 0, 0)),
    "/team/members/{target}/owner": ({"name": "Studio Nord"}, (1, 0, 0, 0)),
    "/team/invitations": ({"email": "eve@example.com", "role": "member"}, (1, 1, 0, 0)),
    "/team/invitations/{invitation}/again": ({}, (1, 1, 0, 0)),
    "/team/invitations/{invitation}/revoke": ({}, (1, 1, 0, 0)),
}


def rows(workspace: Workspace) -> list:
    members = Membership.objects.filter(workspace=workspace).order_by("id").values_list("user", "role", "monthly_cap")
    invited = TeamInvitation.objects.filter(workspace=workspace).order_by("id")
    team = Workspace.objects.filter(id=workspace.id).values_list("name", "approval_above")
    return [*members, *invited.values_list("email", "sent", "revoked_at"), *team]


def places(us: crew.Crew) -> dict[str, int]:
    target = Membership.objects.create(workspace=us.workspace, user=world.person().user, role="member")
    team_invitations.invite(us.membership("owner"), "bob@example.com", "member")
    return {"target": target.id, "invitation": TeamInvitation.objects.get(workspace=us.workspace).id}


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("place", range(4), ids=crew.ROLES)
def test_each_form_is_for_the_roles_of_the_table(us, path, place):
    here, (sent, who) = places(us), FORMS[path]
    before = rows(us.workspace)
    answer = at(us, crew.ROLES[place]).post(path.format(**here), sent)
    assert answer.status_code == (403 if not who[place] else 200 if path.endswith(("invitations", "again")) else 302)
    assert (rows(us.workspace) != before) == bool(who[place])


@pytest.mark.parametrize("path", [path for path in FORMS if "{" in path])
def test_another_teams_ids_are_not_there(us, path):
    them = crew.gather()
    here, before = places(them), rows(them.workspace)
    assert at(us, "owner").post(path.format(**here), FORMS[path][0]).status_code == 404
    assert rows(them.workspace) == before
    assert at(us, "owner").get(f"/team/members/{here['target']}").status_code == 404


@pytest.mark.parametrize("path", [*FORMS, "/team/leave"])
def test_strangers_and_personal_workspaces_have_no_team(us, path):
    here, before = places(us), rows(us.workspace)
    sent = FORMS.get(path, ({}, ()))[0]
    assert browser(us.user("owner")).post(path.format(**here), sent).status_code == 404
    assert browser(world.person().user, us.workspace).post(path.format(**here), sent).status_code == 404
    assert Client().post(path.format(**here), sent).status_code == 302
    assert rows(us.workspace) == before


@pytest.mark.parametrize("role", crew.ROLES)
def test_the_page_shows_each_role_what_is_theirs(us, role):
    submission.submit(us.fresh(), us.user("member"), [world.wanted(quality="high")])
    teams.allow(us.membership("owner"), us.membership("member").id, 40)
    answer = at(us, role).get("/team")
    page = text(answer)
    manages = role in {"owner", "admin"}
    assert all(us.user(each).email in page for each in crew.ROLES)
    assert ("16 of 40" in page) == (manages or role == "member")
    assert ("Invite somebody" in page) == manages
    assert ("Leave the team" in page) == (role != "owner")
    assert not re.search(r"<style|<script(?![^>]*(?:src=|application/json))|\son[a-z]+=|\sstyle=", page)
    assert at(us, role).get(f"/team/members/{us.membership('member').id}").status_code == (200 if manages else 403)


def test_a_team_is_made_and_stood_in():
    who = world.person()
    client = browser(who.user)
    assert client.get("/team")["Location"] == "/team/new"
    assert client.post("/team/new", {"name": " "}).status_code == 422
    assert client.post("/team/new", {"name": "x" * 81}).status_code == 422
    assert client.post("/team/new", {"name": "Studio <b>Nord</b>"})["Location"] == "/team"
    assert "Studio &lt;b&gt;Nord&lt;/b&gt;" in text(client.get("/team"))
    assert 'title="Studio &lt;b&gt;Nord' in text(client.get("/accounts/email/"))  # allauth's own pages know it too


def test_switching_keeps_the_page_where_every_workspace_has_it(us):
    client = browser(us.user("member"))
    team = str(us.workspace.id)
    assert client.post("/team/switch", {"workspace": team, "next": "/credits?cursor=5"})["Location"] == "/credits"
    assert ">200<" in text(client.get("/studio"))
    own = str(us.people["member"].workspace.id)
    for back in ("/images/1", "//evil.example", "https://evil.example/studio", ""):
        assert client.post("/team/switch", {"workspace": own, "next": back})["Location"] == "/studio"
    assert ">200<" not in text(client.get("/studio"))


@pytest.mark.parametrize("chosen", ["", "nonsense", "00000000-0000-0000-0000-000000000000", "another's"])
def test_only_ones_own_workspaces_are_switched_to(us, chosen):
    chosen = str(us.workspace.id) if chosen == "another's" else chosen
    client = browser(world.person().user)
    assert client.post("/team/switch", {"workspace": chosen}).status_code == 404
    assert "Studio Nord" not in text(client.get("/studio"))


def test_who_is_removed_stands_in_their_own_workspace_at_once(us):
    client = at(us, "member")
    assert "Studio Nord" in text(client.get("/studio"))
    at(us, "admin").post(f"/team/members/{us.membership('member').id}/remove")
    assert "Studio Nord" not in text(client.get("/studio"))


def test_leaving_leads_home_and_the_owner_stays(us):
    client = at(us, "viewer")
    assert client.post("/team/leave")["Location"] == "/settings"
    assert "You left Studio Nord." in text(client.get("/settings"))
    owner = at(us, "owner")
    assert owner.post("/team/leave")["Location"] == "/team"
    assert "can&#x27;t leave" in text(owner.get("/team"))


@pytest.mark.parametrize("bad", ["-1", "a", "1.5", "9" * 13, "٤"])
def test_a_bad_number_of_credits_is_refused(us, bad):
    client, before = at(us, "owner"), rows(us.workspace)
    member = us.membership("member").id
    client.post("/team/limit", {"limit": bad})
    client.post(f"/team/members/{member}/allowance", {"cap": bad})
    assert rows(us.workspace) == before
    assert text(client.get("/team")).count("Write a number of credits") == 2


def test_an_allowance_is_set_and_lifted(us):
    client, member = at(us, "owner"), us.membership("member").id
    client.post(f"/team/members/{member}/allowance", {"cap": "1,200"})
    assert us.membership("member").monthly_cap == 1200
    assert 'value="1200"' in text(client.get(f"/team/members/{member}"))
    client.post(f"/team/members/{member}/allowance", {"cap": ""})
    assert us.membership("member").monthly_cap is None


def test_the_link_is_shown_once(us):
    client = at(us, "admin")
    page = text(client.post("/team/invitations", {"email": "bob@example.com", "role": "member"}))
    link = re.search(r"/join/[\w-]{43}", page)[0]
    assert link not in text(client.get("/team"))
    assert client.post("/team/invitations", {"email": "nonsense", "role": "member"}).status_code == 422
    assert client.post("/team/invitations", {"email": "bob@example.com", "role": "owner"}).status_code == 422
    bob = world.person(email="bob@example.com")
    workspaces.verify_email(bob.user)
    joining = browser(bob.user)
    assert "Join the team" in text(joining.get(link))
    assert not Membership.objects.filter(workspace=us.workspace, user=bob.user).exists()
    assert joining.post(link)["Location"] == "/team"
    assert "Studio Nord" in text(joining.get("/studio"))
    assert joining.post(link).status_code == 410


def test_somebody_elses_invitation_is_not_used(us):
    link = "/join/" + team_invitations.invite(us.membership("owner"), "bob@example.com", "member")[-43:]
    eve = world.person()
    workspaces.verify_email(eve.user)
    answer = browser(eve.user).post(link)
    assert answer.status_code == 403
    assert "somebody else" in text(answer)
    unproved = world.person(email="bob@example.com")
    answer = browser(unproved.user).post(link)
    assert answer.status_code == 403
    assert "not proved" in text(answer)
    assert Membership.objects.filter(workspace=us.workspace).count() == 4


def test_a_visitor_signs_in_and_comes_back(us):
    link = "/join/" + team_invitations.invite(us.membership("owner"), "bob@example.com", "viewer")[-43:]
    bob = world.person(email="bob@example.com")
    workspaces.verify_email(bob.user)
    client = Client()
    page = text(client.get(link))
    assert f"/accounts/login/?next=%2Fjoin%2F{link[6:]}" in page
    assert client.post(link).status_code == 200  # nobody yet: the page stands
    signed_in = client.post(
        f"/accounts/login/?next={link}", {"login": "bob@example.com", "password": "a long enough password"}
    )
    assert signed_in["Location"] == link
    assert client.post(link)["Location"] == "/team"


@pytest.mark.parametrize("secret", ["nonsense", "x" * 300, "ä"])
def test_an_unknown_link_says_so(secret):
    answer = Client().get(f"/join/{secret}")
    assert answer.status_code == 410
    assert "can&#x27;t be used" in text(answer) or "can't be used" in text(answer)


def test_a_member_looks_after_their_own_keys_and_an_admin_after_all(us):
    theirs, secret = api_keys.create(us.workspace, us.user("admin"), "of the admin")
    member = at(us, "member")
    assert "of the admin" not in text(member.get("/settings/keys"))
    assert member.post(f"/settings/keys/{theirs.id}/revoke").status_code == 404
    assert api_keys.find(secret)
    assert at(us, "owner").post(f"/settings/keys/{theirs.id}/revoke").status_code == 302
    assert api_keys.find(secret) is None
