"""Allowance and approval as people and programs meet them: sentences, codes, statuses, and nothing held."""

import json

import pytest
from django.test import Client

from gesso.accounts import api_keys, teams
from gesso.core import ids
from gesso.credits import queries
from gesso.generations import lifecycle, submission
from gesso.generations.models import ApprovalRequest, Generation
from tests import world
from tests.accounts import crew
from tests.web.team.test_team import at, browser, text

pytestmark = pytest.mark.django_db
HX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def us() -> crew.Crew:
    return crew.gather(credits=200)


def form(quality: str = "low", **more) -> dict[str, str]:
    base = {"prompt": "Three pears", "aspect_ratio": "1:1", "quality": quality, "count": "1", "id": str(ids.uuid7())}
    return base | more


def held(us: crew.Crew) -> int:
    return queries.balance(us.workspace.id).held


def call(us: crew.Crew, role: str, path: str, body: dict):
    _, secret = api_keys.create(us.workspace, us.user(role), "a test")
    return Client().post(
        path, json.dumps(body), content_type="application/json", headers={"Authorization": f"Bearer {secret}"}
    )


def test_over_the_allowance_the_sentence_stands_beside_the_button(us):
    teams.allow(us.membership("owner"), us.membership("member").id, 3)
    client = at(us, "member")
    for headers in (HX, {}):
        answer = client.post("/studio", form("high"), **headers)
        assert answer.status_code == 403
        assert "Your allowance has 3 of 3 left this month." in text(answer)
    assert held(us) == 0


@pytest.mark.parametrize("path", ["/api/generations", "/v1/images/generations"])
def test_over_the_allowance_a_program_gets_the_code(us, path):
    teams.allow(us.membership("owner"), us.membership("member").id, 3)
    answer = call(us, "member", path, {"prompt": "Three pears"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "over_allowance")
    assert held(us) == 0


@pytest.mark.parametrize("path", ["/api/generations", "/v1/images/generations"])
def test_above_the_limit_a_program_is_refused_and_nothing_waits(us, path):
    teams.ask_above(us.membership("owner"), 3)
    answer = call(us, "member", path, {"prompt": "Three pears"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "needs_approval")
    assert held(us) == 0 and not ApprovalRequest.objects.exists()
    assert call(us, "admin", "/api/generations", {"prompt": "Three pears"}).status_code == 202


def test_above_the_limit_the_studio_asks_an_admin(us):
    teams.ask_above(us.membership("owner"), 10)
    client, sent = at(us, "member"), form("high")
    for headers in (HX, HX, {}):  # the same again is the same request
        answer = client.post("/studio", sent, **headers)
        assert answer.status_code == 202
        assert "it waits for an admin of the team. Nothing is held." in text(answer)
    row = ApprovalRequest.objects.get()
    assert (held(us), row.total, row.state) == (0, 16, "pending")
    assert "Waiting" in text(client.get("/team/approvals"))
    admin = at(us, "admin")
    assert "Approve · 16 credits" in text(admin.get("/team/approvals"))
    assert admin.post(f"/team/approvals/{row.id}/approve", {"total": "16"}).status_code == 302
    assert held(us) == 16
    assert "Approved. It is being made." in text(admin.get("/team/approvals"))
    assert f"/generations/{row.id}" in text(client.get("/team/approvals"))
    admin.post(f"/team/approvals/{row.id}/approve", {"total": "16"})
    assert "decided already" in text(admin.get("/team/approvals"))
    assert (held(us), Generation.objects.count()) == (16, 1)


def test_a_retry_above_the_limit_asks_too(us):
    made = submission.submit(us.fresh(), us.user("admin"), [world.wanted(quality="high")])[0]
    lifecycle.cancel(us.workspace, made.id, us.user("admin"))
    teams.ask_above(us.membership("owner"), 10)
    answer = at(us, "member").post(f"/generations/{made.id}/retry", {"id": str(ids.uuid7())}, **HX)
    assert answer.status_code == 202
    assert ApprovalRequest.objects.get().parent == made


def waiting(us: crew.Crew) -> ApprovalRequest:
    teams.ask_above(us.membership("owner"), 10)
    at(us, "member").post("/studio", form("high"), **HX)
    return ApprovalRequest.objects.get(workspace=us.workspace)


@pytest.mark.parametrize("role", crew.ROLES)
@pytest.mark.parametrize("deed", ["approve", "decline", "withdraw"])
def test_who_decides_on_the_page(us, role, deed):
    row = waiting(us)
    sent = {"total": "16", "reason": "Too dear"}
    answer = at(us, role).post(f"/team/approvals/{row.id}/{deed}", sent)
    may = role == "member" if deed == "withdraw" else role in {"owner", "admin"}
    assert answer.status_code == (302 if may else 404 if deed == "withdraw" else 403)
    assert (ApprovalRequest.objects.get().state != "pending") == may
    if deed == "decline" and may:
        assert "Too dear" in text(at(us, "member").get("/team/approvals"))


@pytest.mark.parametrize("deed", ["approve", "decline", "withdraw"])
def test_another_teams_request_is_not_there(us, deed):
    them, row = crew.gather(), waiting(us)
    for client in (at(them, "owner"), browser(world.person().user)):
        assert client.post(f"/team/approvals/{row.id}/{deed}", {"total": "16"}).status_code == 404
    assert ApprovalRequest.objects.get().state == "pending"


@pytest.mark.parametrize("total", ["", "15", "-1", "x", "9" * 40])
def test_a_price_that_nobody_saw_is_not_held(us, total):
    row, admin = waiting(us), at(us, "admin")
    admin.post(f"/team/approvals/{row.id}/approve", {"total": total})
    assert (held(us), ApprovalRequest.objects.get().state) == (0, "pending")
    assert "The price is now 16 credits." in text(admin.get("/team/approvals"))


def test_what_submission_refuses_is_said_and_waits_on(us):
    row, admin = waiting(us), at(us, "admin")
    teams.allow(us.membership("owner"), us.membership("member").id, 5)
    admin.post(f"/team/approvals/{row.id}/approve", {"total": "16"})
    assert "Their allowance has 5 of 5 left this month. Raise it first." in text(admin.get("/team/approvals"))
    assert (held(us), ApprovalRequest.objects.get().state) == (0, "pending")


def test_a_page_of_another_workspace_spends_nothing_here(us):
    client = at(us, "member")
    answer = client.post("/studio", form(workspace=str(us.people["member"].workspace.id)), **HX)
    assert answer.status_code == 409
    assert "You went to Studio Nord meanwhile." in text(answer)
    assert held(us) == 0
    assert client.post("/studio", form(workspace=str(us.workspace.id)), **HX).status_code == 200
    assert held(us) == 1


def test_the_page_of_credits_says_what_one_spent(us):
    submission.submit(us.fresh(), us.user("member"), [world.wanted()])
    client = at(us, "member")
    assert "You spent 4 credits of the team&#x27;s this month." in text(client.get("/credits"))
    teams.allow(us.membership("owner"), us.membership("member").id, 40)
    assert "You spent 4 of your allowance of 40 credits this month." in text(client.get("/credits"))
    assert "You spent" not in text(browser(us.user("member")).get("/credits"))
