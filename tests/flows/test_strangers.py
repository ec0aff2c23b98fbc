"""Someone else's ids, tried at every address there is: not found, the same as no such id, and nothing moves."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from gesso.generations.models import Generation, Output
from tests import world
from tests.api import callers

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = {"generation_id", "image_id"}
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def addresses() -> list[str]:
    """Return every route that names a generation or an image, but for the staff's."""

    def walk(patterns, before):
        for one in patterns:
            route = before + str(one.pattern)
            if isinstance(one, URLPattern):
                yield route
            elif not route.startswith("staff"):
                yield from walk(one.url_patterns, route)

    return sorted({route for route in walk(get_resolver().url_patterns, "") if NAMES & set(PARAMETER.findall(route))})


@pytest.fixture
def made():
    """Somebody with a finished generation, an open one and an upload."""
    who = world.person(credits=100)
    world.drive(world.submit(who, "Finished"), world.ScriptedProvider())
    world.submit(who, "In hand")
    world.upload(who)
    return who


@pytest.fixture
def stranger():
    return world.person(credits=100)


def everything(who) -> tuple:
    """All that a stranger could have moved."""
    generations = Generation.objects.filter(workspace=who.workspace).order_by("id").values()
    outputs = Output.objects.filter(generation__workspace=who.workspace).order_by("id").values()
    images = who.workspace.images.order_by("id").values()
    return (*callers.moved(who), [*generations], [*outputs], [*images])


def test_there_is_something_to_try():
    found = addresses()
    assert any(route.startswith("api/") for route in found)
    assert any(route.startswith("images/") for route in found)
    assert len(found) >= 12


@pytest.mark.parametrize("route", addresses())
def test_a_strangers_ids_are_no_ids(route, made, stranger):
    key = callers.Caller(stranger).headers({}) if route.startswith("api/") else {}
    browser = Client(raise_request_exception=True)
    browser.force_login(stranger.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    before, mine = everything(made), everything(stranger)
    theirs = {
        "generation_id": [row.id for row in Generation.objects.filter(workspace=made.workspace)],
        "image_id": [row.id for row in made.workspace.images.all()],
    }
    name = (NAMES & set(PARAMETER.findall(route))).pop()
    found = 0
    for method in ("get", "post", "delete"):
        words = []
        for number in [*theirs[name], uuid.uuid4()]:
            path = "/" + PARAMETER.sub(lambda one, number=number: str(number) if one[1] == name else "0", route)
            empty = {"data": b"", "content_type": "application/json"} if method == "post" and key else {}
            answer = getattr(browser, method)(path, headers=key, **empty)
            assert answer.status_code in {404, 405}, f"{method} {path}: {answer.status_code}"
            found += answer.status_code == 404
            words.append(re.sub(rb"[0-9a-f-]{16,}|nonce=\S+", b"", answer.content))
        assert len(set(words)) == 1, "a foreign id is told from one that nobody has"
    assert found
    assert everything(made) == before
    assert everything(stranger) == mine


def test_a_strangers_picture_is_no_reference(made, stranger):
    caller = callers.Caller(stranger)
    before, mine = everything(made), everything(stranger)
    for image in [*made.workspace.images.all()]:
        body = {"prompt": "Mine now", "references": [{"image_id": str(image.id), "role": "style"}]}
        answer = caller.post("/api/generations", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_reference")
    assert everything(made) == before
    assert everything(stranger) == mine


def test_lists_and_statements_hold_nothing_of_others(made, stranger):
    caller = callers.Caller(stranger)
    mine = callers.Caller(made)
    cursor = mine.get("/api/generations", {"limit": 1}).json()["next_cursor"]
    assert cursor
    for query in ({}, {"q": "Finished"}, {"cursor": cursor}):
        assert caller.get("/api/generations", query).json()["generations"] == []
    assert caller.get("/api/images").status_code in {200, 405}
    told = caller.get("/api/credits/entries").content.decode()
    assert not any(str(row.id) in told for row in Generation.objects.filter(workspace=made.workspace))
