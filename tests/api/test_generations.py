"""Generations over the native API: asked, found, ended, repeated; nobody else's, and in few queries."""

import uuid

import pytest
from django.db.models.functions import Now

from gesso.accounts import api_keys
from gesso.accounts.models import Membership
from gesso.generations.models import Generation, Output
from gesso.providers import protocol
from tests import world
from tests.api.callers import moved, whole

pytestmark = pytest.mark.django_db

ASKED = {"prompt": "Three pears in a stoneware bowl", "aspect_ratio": "4:5", "quality": "low", "count": 2}


@pytest.mark.django_db(transaction=True)
def test_a_generation_from_question_to_pictures(caller, who):
    answer = caller.post("/api/generations", ASKED)
    assert answer.status_code == 202
    said = answer.json()
    assert (said["state"], said["price"], said["charged"], said["released"]) == ("queued", 2, 0, 0)
    assert (said["width"], said["height"], said["model"]) == (1024, 1280, "sandbox")
    assert [output["state"] for output in said["outputs"]] == ["open", "open"]

    world.drive(Generation.objects.get(id=said["id"]), world.ScriptedProvider())

    after = caller.get(f"/api/generations/{said['id']}").json()
    assert (after["state"], after["charged"], after["released"]) == ("succeeded", 2, 0)
    assert [output["index"] for output in after["outputs"]] == [0, 1]
    assert after["events"][0]["kind"] == "submitted"
    assert after["events"][0]["at"].endswith("Z")
    for output in after["outputs"]:
        picture = output["image"]
        bytes_ = caller.get(picture["content"])
        assert bytes_["Content-Type"] == "image/png"
        assert len(whole(bytes_)) == picture["bytes"]
    assert world.available(who) == 98


@pytest.mark.django_db(transaction=True)
def test_what_was_made_says_what_it_cost_and_what_came_back(caller):
    made = caller.post("/api/generations", ASKED).json()
    refusal = protocol.ProviderFailure("moderation", "no")
    world.drive(Generation.objects.get(id=made["id"]), world.ScriptedProvider(refusal))
    after = caller.get(f"/api/generations/{made['id']}").json()
    assert (after["state"], after["charged"], after["released"]) == ("succeeded", 1, 1)
    failed = next(output for output in after["outputs"] if output["state"] == "failed")
    assert failed["image"] is None
    assert failed["failure_code"] == "moderation_blocked"


def test_the_same_idempotency_key_repeats_the_answer_and_charges_once(caller, who):
    first = caller.post("/api/generations", ASKED, **{"Idempotency-Key": "one"})
    again = caller.post("/api/generations", dict(reversed(ASKED.items())), **{"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert world.available(who) == 98
    other = caller.post("/api/generations", {**ASKED, "count": 1}, **{"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert world.available(who) == 98


def test_an_idempotency_key_belongs_to_its_workspace(caller, stranger):
    mine = caller.post("/api/generations", ASKED, **{"Idempotency-Key": "one"}).json()
    theirs = stranger.post("/api/generations", ASKED, **{"Idempotency-Key": "one"}).json()
    assert mine["id"] != theirs["id"]


def test_cancel_gives_back_what_was_not_made(caller, who):
    made = caller.post("/api/generations", ASKED).json()
    answer = caller.post(f"/api/generations/{made['id']}/cancel")
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["released"]) == ("canceled", 2)
    assert world.available(who) == 100
    again = caller.post(f"/api/generations/{made['id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_ended")


def test_retry_makes_a_new_one_once_for_each_key(caller, who):
    made = caller.post("/api/generations", ASKED).json()
    caller.post(f"/api/generations/{made['id']}/cancel")
    first = caller.post(f"/api/generations/{made['id']}/retry", **{"Idempotency-Key": "again"})
    second = caller.post(f"/api/generations/{made['id']}/retry", **{"Idempotency-Key": "again"})
    third = caller.post(f"/api/generations/{made['id']}/retry", {"only_missing": True})
    assert [answer.status_code for answer in (first, second, third)] == [202, 202, 202]
    assert first.json()["id"] == second.json()["id"] != third.json()["id"]
    assert first.json()["parent_id"] == made["id"]
    assert first.json()["prompt"] == ASKED["prompt"]
    assert world.available(who) == 96


def test_a_retrys_key_stands_for_one_request_only(caller, who):
    made = caller.post("/api/generations", ASKED, **{"Idempotency-Key": "made"}).json()
    caller.post(f"/api/generations/{made['id']}/cancel")
    again, key = f"/api/generations/{made['id']}/retry", {"Idempotency-Key": "again"}
    assert caller.post(again, **key).status_code == 202
    for body, taken in (({"only_missing": True}, key), ({}, {"Idempotency-Key": "made"})):
        refused = caller.post(again, body, **taken)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert world.available(who) == 98


def test_a_retry_of_what_is_still_being_made_asks_for_nothing_that_is_to_come(caller):
    made = caller.post("/api/generations", ASKED).json()

    def again():
        return caller.post(f"/api/generations/{made['id']}/retry", {"only_missing": True})

    assert (again().status_code, again().json()["error"]["code"]) == (409, "nothing_missing")
    first = Output.objects.filter(generation=made["id"], index=0)
    first.update(state="failed", failure_code="bad_picture", ended_at=Now())
    assert again().json()["count"] == 1


def test_the_list_goes_back_in_pages_and_narrows(caller):
    numbers = [
        caller.post("/api/generations", {"prompt": f"Pear {n}", "quality": "low"}).json()["id"] for n in range(5)
    ]
    first = caller.get("/api/generations", {"limit": 3}).json()
    second = caller.get("/api/generations", {"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [row["id"] for row in first["generations"] + second["generations"]] == numbers[::-1]
    assert second["next_cursor"] is None
    assert [row["id"] for row in caller.get("/api/generations", {"q": "pear 3"}).json()["generations"]] == [numbers[3]]
    assert caller.get("/api/generations", {"state": "failed"}).json()["generations"] == []
    assert caller.get("/api/generations", {"after": "2999-01-01T00:00:00Z"}).json()["generations"] == []
    assert len(caller.get("/api/generations", {"before": "2999-01-01T00:00:00+02:00"}).json()["generations"]) == 5


@pytest.mark.parametrize("path", ["", "/cancel", "/retry"])
def test_someone_elses_generation_is_the_same_as_none(caller, stranger, who, path):
    made = caller.post("/api/generations", ASKED).json()
    before = moved(who)
    answers = []
    for number in (made["id"], str(uuid.uuid4()), "no-id", made["id"].replace("-", "")):
        ask = stranger.post if path else stranger.get
        answer = ask(f"/api/generations/{number}{path}")
        assert answer.status_code == 404
        error = answer.json()["error"]
        answers.append((error["code"], error["message"]))
    assert len(set(answers)) == 1
    assert moved(who) == before
    assert stranger.get("/api/generations").json()["generations"] == []


def test_a_viewer_may_look_but_not_ask(caller, who):
    made = caller.post("/api/generations", ASKED).json()
    viewer = world.person()
    Membership.objects.create(workspace=who.workspace, user=viewer.user, role="viewer")
    caller.key, caller.secret = api_keys.create(who.workspace, viewer.user, "viewer")
    before = moved(who)
    assert caller.get(f"/api/generations/{made['id']}").status_code == 200
    for path in ("/api/generations", f"/api/generations/{made['id']}/cancel", f"/api/generations/{made['id']}/retry"):
        answer = caller.post(path, ASKED if path == "/api/generations" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
    assert moved(who) == before


def test_asking_and_looking_take_few_queries(caller, django_assert_max_num_queries):
    caller.get("/api/credits")  # the key is touched once a minute
    with django_assert_max_num_queries(30):
        made = caller.post("/api/generations", ASKED).json()
    with django_assert_max_num_queries(6):
        caller.get(f"/api/generations/{made['id']}")
    for n in range(6):
        caller.post("/api/generations", {"prompt": f"Pear {n}", "quality": "low"})
    with django_assert_max_num_queries(5):
        assert len(caller.get("/api/generations").json()["generations"]) == 7
