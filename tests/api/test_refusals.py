"""What is refused, with which status and code, and that nothing moves then. One table for each API."""

import json
import re

import pytest
from django.db import OperationalError

from gesso.accounts import api_keys
from gesso.accounts.models import Membership
from gesso.api import compat_errors, refusals
from gesso.core import catalog
from gesso.generations import failures, recovery
from tests import world
from tests.api.callers import code, moved, named, pictures
from tests.api.refused import ADDRESSES, BODIES, COMPAT, EDITS, FIELDS, LISTS, NATIVE, PARAMETERS, PROMPT

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", [NATIVE, COMPAT])
@pytest.mark.parametrize(("body", "status", "wanted"), BODIES, ids=lambda value: repr(value)[:24])
def test_bodies_that_cannot_be_read(caller, who, path, body, status, wanted):
    before = moved(who)
    answer = caller.post(path, body)
    assert (answer.status_code, code(answer)) == (status, wanted)
    assert moved(who) == before


@pytest.mark.parametrize("path", [NATIVE, COMPAT])
@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""])
def test_json_must_say_that_it_is(caller, who, path, media_type):
    before = moved(who)
    answer = caller.post(path, json.dumps(PROMPT).encode(), media_type=media_type)
    assert (answer.status_code, code(answer)) == (415, "unsupported_media_type")
    assert moved(who) == before


@pytest.mark.parametrize(("values", "wanted", "field"), FIELDS, ids=lambda value: repr(value)[:40])
def test_fields_of_the_native_api(caller, who, values, wanted, field):
    before = moved(who)
    answer = caller.post(NATIVE, values)
    assert (answer.status_code, code(answer), named(answer)) == (400, wanted, field)
    assert moved(who) == before


@pytest.mark.parametrize(("values", "wanted", "parameter"), PARAMETERS, ids=lambda value: repr(value)[:40])
def test_parameters_of_openais_api(caller, who, values, wanted, parameter):
    before = moved(who)
    answer = caller.post(COMPAT, values)
    assert (answer.status_code, code(answer), named(answer)) == (400, wanted, parameter)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert moved(who) == before


@pytest.mark.parametrize(("path", "query", "wanted"), LISTS, ids=lambda value: repr(value)[:40])
def test_parameters_of_lists(caller, path, query, wanted):
    answer = caller.get(path, query)
    assert (answer.status_code, code(answer)) == (400, wanted)


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_every_address_needs_a_key_and_a_session_is_none(caller, who, method, path):
    caller.client.force_login(who.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    before = moved(who)
    for value in (
        None, "", "Bearer", "Bearer ", f"Basic {caller.secret}", caller.secret, f"Bearer {caller.secret}x",
        f"Bearer {caller.secret.upper()}", "Bearer ' OR '1'='1", "Bearer gsk_é\t\0", "Bearer " + "g" * 60_000,
        f"Bearer {caller.secret}, Bearer {caller.secret}",
    ):  # fmt: skip
        headers = {} if value is None else {"Authorization": value}
        answer = getattr(caller.client, method)(f"{path}?api_key={caller.secret}", headers=headers)
        assert (answer.status_code, code(answer)) == (401, "invalid_api_key")
        assert answer["WWW-Authenticate"] == "Bearer"
    assert moved(who) == before


def test_a_dead_key_opens_nothing(caller, who, stranger):
    assert caller.get("/api/credits").status_code == 200
    who.user.is_active = False
    who.user.save()
    assert caller.get("/api/credits").status_code == 401
    assert api_keys.revoke(stranger.who.workspace, stranger.key.id)
    assert stranger.get("/api/credits").status_code == 401
    member = world.person()
    Membership.objects.create(workspace=who.workspace, user=member.user, role="member")
    caller.key, caller.secret = api_keys.create(who.workspace, member.user, "member")
    assert caller.get("/api/credits").status_code == 200
    Membership.objects.filter(user=member.user, workspace=who.workspace).delete()
    assert caller.get("/api/credits").status_code == 401


def test_a_viewers_key_makes_and_changes_nothing(caller, who):
    image = world.upload(who)
    viewer = world.person()
    Membership.objects.create(workspace=who.workspace, user=viewer.user, role="viewer")
    caller.key, caller.secret = api_keys.create(who.workspace, viewer.user, "viewer")
    before = moved(who)
    for answer in (
        caller.post(NATIVE, PROMPT), caller.post(COMPAT, PROMPT),
        caller.form(EDITS, image=pictures((64, 64)), prompt="On linen"),
        caller.form("/api/images", file=pictures((64, 64))), caller.delete(f"/api/images/{image.id}"),
        caller.post(f"/api/images/{image.id}/restore"),
    ):  # fmt: skip
        assert (answer.status_code, code(answer)) == (403, "not_allowed")
    assert moved(who) == before
    assert caller.get(f"/api/images/{image.id}").json()["trashed_at"] is None


@pytest.mark.parametrize("path", ["/api", "/v1"])
def test_addresses_and_methods_that_are_none(caller, path):
    for missing in (f"{path}/nothing", f"{path}/", f"{path}/images/x/y/z", f"{path}/x%0a", f"{path}/%0a/x"):
        answer = caller.get(missing)
        assert (answer.status_code, code(answer)) == (404, "not_found")
    known = {"/api": NATIVE, "/v1": COMPAT}[path]
    answer = caller.client.put(known, b"{}", content_type="application/json", headers=caller.headers({}))
    assert (answer.status_code, code(answer)) == (405, "method_not_allowed")
    assert "POST" in answer["Allow"]


@pytest.mark.parametrize("path", [NATIVE, COMPAT])
@pytest.mark.parametrize("key", ["", "k" * 256, "k\x01", "é"])
def test_idempotency_keys_that_are_none(caller, who, path, key):
    before = moved(who)
    answer = caller.post(path, PROMPT, **{"Idempotency-Key": key})
    assert (answer.status_code, code(answer)) == (400, "bad_idempotency_key")
    assert moved(who) == before


@pytest.mark.parametrize("path", [NATIVE, COMPAT])
def test_what_the_rooms_below_refuse(caller, who, path, monkeypatch):
    number = "count" if path == NATIVE else "n"
    answer = caller.post(path, {**PROMPT, "quality": "high", number: 4})
    assert answer.status_code in {200, 202}
    answer = caller.post(path, {**PROMPT, "quality": "high", number: 4})
    assert (answer.status_code, code(answer)) == (402, "insufficient_credits")
    before = moved(who)
    answer = caller.post(path, {"prompt": "nude child"})
    assert (answer.status_code, code(answer)) == (400, "moderation_blocked")
    who.workspace.suspended_at = who.workspace.created_at
    who.workspace.save()
    answer = caller.post(path, PROMPT)
    assert (answer.status_code, code(answer)) == (403, "suspended")
    type(who.workspace).objects.update(suspended_at=None)
    monkeypatch.setattr(recovery, "overload", lambda: 17)
    answer = caller.post(path, PROMPT)
    assert (answer.status_code, code(answer), answer["Retry-After"]) == (429, "overloaded", "17")
    assert moved(who) == before


@pytest.mark.parametrize("path", [NATIVE, COMPAT])
def test_faults_of_ours_are_told_in_the_same_envelope(caller, path, monkeypatch):
    def broken(problem):
        def overload():
            raise problem

        monkeypatch.setattr(recovery, "overload", overload)
        return caller.post(path, PROMPT)

    answer = broken(OperationalError("the connection is lost"))
    assert (answer.status_code, code(answer), answer["Retry-After"]) == (503, "database_unavailable", "5")
    answer = broken(RuntimeError("a secret of ours"))
    assert (answer.status_code, code(answer)) == (500, "internal")
    assert b"secret" not in answer.content


def test_a_quota_says_when_to_come_back(caller, who, monkeypatch):
    limits = catalog.current().limits.model_copy(update={"uploads_per_hour": 1})
    tight = catalog.current().model_copy(update={"limits": limits})
    monkeypatch.setattr(catalog, "current", lambda: tight)
    assert caller.form("/api/images", file=pictures((64, 64))).status_code == 201
    answer = caller.form("/api/images", file=pictures((64, 64)))
    assert (answer.status_code, code(answer), answer["Retry-After"]) == (429, "upload_quota", "600")


@pytest.mark.parametrize(
    ("values", "wanted"), [({"only_missing": 1}, "bad_retry"), ({"count": 1}, "bad_retry"), ([], "bad_json")]
)
def test_retries_that_ask_for_something_else(caller, who, values, wanted):
    made = world.submit(who, quality="low")
    before = moved(who)
    answer = caller.post(f"{NATIVE}/{made.id}/retry", values)
    assert (answer.status_code, code(answer)) == (400, wanted)
    assert moved(who) == before


def test_an_unknown_variant_is_named(caller, who):
    image = world.upload(who)
    answer = caller.get(f"/api/images/{image.id}/content", {"variant": "huge"})
    assert (answer.status_code, code(answer)) == (400, "bad_variant")


def test_every_way_to_fail_has_a_status_for_openais_clients():
    assert compat_errors.STATUSES.keys() | {"internal"} == failures.FAILURES.keys()


def test_codes_are_words_that_clients_can_rely_on():
    for row in refusals.TABLE.values():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", row.code)
        assert 400 <= row.status <= 503
