"""What a call of OpenAI's images API is told when something of ours fails while it waits, or right after.

Official clients repeat every 5xx that doesn't say otherwise, and a repeat without a key is a second generation.
"""

import asyncio
import json

import pytest
from django.db import OperationalError

from gesso.api import waiting
from gesso.generations.models import Generation
from gesso.images import storage
from gesso.images.models import Image
from tests import world
from tests.api.test_compat import ASKED

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = pytest.mark.parametrize(("key", "repeat"), [({}, "false"), ({"Idempotency-Key": "k"}, "true")])


def told(answer):
    return answer.status_code, json.loads(answer.content)["error"]["code"], answer["X-Should-Retry"]


@KEYS
def test_a_storage_that_is_away_says_whether_to_repeat(caller, monkeypatch, key, repeat):
    def away(_storage, _key):
        raise storage.Unavailable("the disk is gone for a moment")

    later = caller.post("/v1/images/generations", ASKED, **key)
    world.drive(Generation.objects.get(), world.ScriptedProvider())
    monkeypatch.setattr(storage.Directory, "get", away)
    answer = later.finish()
    assert told(answer) == (503, "storage_unavailable", repeat)
    assert answer.has_header("Retry-After") is (repeat == "true")
    assert answer["X-Gesso-Generation-Id"] == str(Generation.objects.get().id)


@KEYS
def test_a_database_that_is_away_says_whether_to_repeat(caller, monkeypatch, key, repeat):
    def away(*_):
        raise OperationalError("the database is restarting")

    later = caller.post("/v1/images/generations", ASKED, **key)
    monkeypatch.setattr("gesso.generations.queries.find", away)
    answer = later.finish()
    assert told(answer)[0] == 503
    assert told(answer)[2] == repeat


def test_pictures_that_were_paid_for_and_are_gone_are_not_asked_for_again(caller, who):
    later = caller.post("/v1/images/generations", ASKED)
    world.drive(Generation.objects.get(), world.ScriptedProvider())
    for image in Image.objects.filter(workspace=who.workspace):
        storage.current().delete(image.storage_key)
    answer = later.finish()
    assert told(answer) == (502, "bad_picture", "false")
    assert answer["X-Gesso-Credits-Charged"] == "2"


def test_a_wait_outlasts_a_database_that_is_away(caller, monkeypatch):
    looks = []
    real = Generation.objects.filter

    def away_once(**words):
        looks.append(words)
        if len(looks) == 1:
            raise OperationalError("the database is restarting")
        return real(**words)

    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.05)
    later = caller.post("/v1/images/generations", ASKED)
    world.drive(Generation.objects.get(), world.ScriptedProvider())
    monkeypatch.setattr(Generation.objects, "filter", away_once)
    asyncio.run(asyncio.wait_for(later.wait(), 10))
    assert len(looks) == 2
    monkeypatch.undo()
    assert later.finish().status_code == 200


def test_a_fault_of_ours_after_the_work_claims_nothing_about_the_charge(caller, monkeypatch):
    def broken(*_):
        raise RuntimeError("nobody thought of this")

    later = caller.post("/v1/images/generations", ASKED)
    world.drive(Generation.objects.get(), world.ScriptedProvider())
    monkeypatch.setattr("gesso.api.compat_answer._body", broken)
    answer = later.finish()
    assert told(answer) == (500, "internal", "false")
    assert "charged" not in answer.content.decode()
    assert "Look into the history" in answer.content.decode()
