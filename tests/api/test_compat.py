"""OpenAI's images API, call by call, in this process; `test_openai_client` speaks to a whole instance."""

import asyncio
import base64
import hashlib
import json
import threading
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gesso.accounts.models import Workspace
from gesso.api import waiting
from gesso.core.later import Later
from gesso.generations import broadcast, lifecycle
from gesso.generations.models import Generation, GenerationReference
from gesso.images.models import Image
from gesso.providers import protocol
from tests import world
from tests.api.callers import moved

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = {"prompt": "Three pears in a stoneware bowl", "quality": "low", "size": "1024x1280", "n": 2}


def settled(later, provider=None, *, act=None):
    """What the server sends for a placeholder once the generation has ended."""
    assert isinstance(later, Later), later.content
    generation = Generation.objects.latest("created_at")
    if act:
        act(generation)
    else:
        world.drive(generation, provider or world.ScriptedProvider())
    asyncio.run(later.wait())
    final = later.finish()
    later.hand_over(final)
    return final


def picture(name="pear.png", **shape):
    return SimpleUploadedFile(name, world.picture(**shape), "image/png")


def test_images_come_with_the_answer(caller, who):
    answer = settled(caller.post("/v1/images/generations", ASKED))
    assert answer.status_code == 200
    said = json.loads(answer.content)
    assert (said["size"], said["quality"], said["output_format"], len(said["data"])) == ("1024x1280", "low", "png", 2)
    generation = Generation.objects.get()
    assert said["created"] == int(generation.created_at.timestamp())
    hashes = {bytes(image.sha256) for image in Image.objects.filter(workspace=who.workspace)}
    assert {hashlib.sha256(base64.b64decode(row["b64_json"])).digest() for row in said["data"]} == hashes
    assert answer["X-Gesso-Generation-Id"] == str(generation.id)
    assert (answer["X-Gesso-Credits-Charged"], answer["X-Gesso-Credits-Left"]) == ("2", "98")
    assert answer["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ({"n": 3}, "count", 3),
        ({"n": 4}, "count", 4),
        ({"n": None}, "count", 1),
        ({"size": "auto"}, "aspect_ratio", "1:1"),
        ({"size": "1536x864"}, "aspect_ratio", "16:9"),
        ({"quality": "auto"}, "quality", "medium"),
        ({"quality": "standard"}, "quality", "medium"),
        ({"quality": "hd"}, "quality", "high"),
        ({"output_format": "webp", "background": "transparent"}, "background", "transparent"),
        ({"model": "sandbox", "user": "someone", "moderation": "auto", "stream": False}, "model", "sandbox"),
        ({"response_format": "b64_json"}, "format", "png"),
    ],
)
def test_parameters_become_ours(caller, more, field, value):
    later = caller.post("/v1/images/generations", {**ASKED, **more})
    assert isinstance(later, Later), later.content
    assert getattr(Generation.objects.get(), field) == value


def test_what_was_delivered_is_sent_when_the_rest_failed(caller):
    refusal = protocol.ProviderFailure("moderation", "no")
    answer = settled(caller.post("/v1/images/generations", ASKED), world.ScriptedProvider(refusal))
    assert answer.status_code == 200
    assert answer.content.count(b"b64_json") == 1
    assert answer["X-Gesso-Credits-Charged"] == "1"


def test_a_refusal_of_the_provider_costs_nothing(caller, who):
    refusals = [protocol.ProviderFailure("moderation", "no")] * 2
    answer = settled(caller.post("/v1/images/generations", ASKED), world.ScriptedProvider(*refusals))
    error = json.loads(answer.content)["error"]
    assert (answer.status_code, error["code"], error["type"]) == (
        400, "moderation_blocked", "image_generation_user_error",
    )  # fmt: skip
    assert (answer["X-Gesso-Credits-Charged"], world.available(who)) == ("0", 100)


def test_a_canceled_call_is_not_repeated_by_clients(caller, who):
    later = caller.post("/v1/images/generations", ASKED)
    answer = settled(later, act=lambda made: lifecycle.cancel(who.workspace, made.id, who.user))
    assert (answer.status_code, answer["X-Should-Retry"]) == (400, "false")
    assert b'"code":"canceled"' in answer.content


@pytest.mark.parametrize(("key", "repeat"), [({}, "false"), ({"Idempotency-Key": "k"}, "true")])
def test_a_restart_says_whether_to_repeat(caller, key, repeat):
    answer = caller.post("/v1/images/generations", ASKED, **key).interrupted()
    assert (answer.status_code, answer["X-Should-Retry"]) == (503, repeat)
    assert answer["X-Gesso-Generation-Id"] == str(Generation.objects.get().id)
    assert b'"code":"restarting"' in answer.content


def test_the_same_key_waits_for_the_same_generation(caller, who):
    first = settled(caller.post("/v1/images/generations", ASKED, **{"Idempotency-Key": "k"}))
    later = caller.post("/v1/images/generations", ASKED, **{"Idempotency-Key": "k"})
    asyncio.run(later.wait())
    assert later.finish().content == first.content
    assert world.available(who) == 98


def test_a_wait_holds_no_connection_and_asks_one_thing_for_each_look(caller):
    later = caller.post("/v1/images/generations", ASKED)
    generation = Generation.objects.get()
    looked, loop, first = [], None, None
    real = waiting._ended

    def ended(number):
        with CaptureQueriesContext(connection) as asked:
            answer = real(number)
        looked.append((len(asked), threading.current_thread().name, answer))
        loop.call_soon_threadsafe(first.set)
        return answer

    async def run():
        nonlocal loop, first
        loop, first = asyncio.get_running_loop(), asyncio.Event()
        waiting._ended = ended
        try:
            task = asyncio.create_task(later.wait())
            await asyncio.wait_for(first.wait(), 5)
            words = {"w": str(generation.workspace_id), "k": "generation", "g": str(uuid.uuid4())}
            broadcast.HUB._tell(json.dumps(words))  # another generation: no reason to look
            await asyncio.sleep(0.05)
            assert len(looked) == 1
            await asyncio.to_thread(finish)
            broadcast.HUB._tell(json.dumps({**words, "g": str(generation.id)}))
            await asyncio.wait_for(task, 5)
        finally:
            waiting._ended = real

    def finish():
        lifecycle.cancel(Workspace.objects.get(), generation.id, None)
        connection.close()

    broadcast.HUB.closed = False
    asyncio.run(run())
    assert [(queries, answer) for queries, _name, answer in looked] == [(1, False), (1, True)]
    assert all(name.startswith("database") for _queries, name, _answer in looked)
    assert broadcast.HUB._subscriptions == {}


def test_an_edit_uses_its_pictures_in_order(caller, who):
    later = caller.form(
        "/v1/images/edits", prompt="Put them on linen", quality="low", n="1",
        **{"image[]": [picture("one.png"), picture("two.png", colour="#c02440")]},
    )  # fmt: skip
    answer = settled(later)
    assert answer.status_code == 200
    rows = GenerationReference.objects.order_by("position").select_related("image")
    assert [row.image.label for row in rows] == ["one.png", "two.png"]
    assert Image.objects.filter(workspace=who.workspace, origin="upload").count() == 2


def test_a_repeated_edit_stores_its_pictures_once(caller, who):
    words = {"prompt": "Put it on linen", "quality": "low", "headers": {"Idempotency-Key": "k"}}
    for _ in range(2):
        assert isinstance(caller.form("/v1/images/edits", image=picture(), **words), Later)
    assert Image.objects.filter(workspace=who.workspace).count() == 1
    assert Generation.objects.count() == 1
    other = caller.form("/v1/images/edits", image=picture(colour="#000000"), **words)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


def test_an_edit_that_cannot_be_paid_leaves_no_picture_behind(caller, who):
    before = moved(who)
    answer = caller.form("/v1/images/edits", image=picture(), prompt="On linen", quality="high", n="4", size="auto")
    assert isinstance(answer, Later)
    answer = caller.form("/v1/images/edits", image=picture(), prompt="On linen", quality="high", n="4")
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficient_credits")
    assert Image.objects.filter(workspace=who.workspace).count() == before[-1] + 1


def test_models_are_those_that_can_be_asked(caller):
    said = caller.get("/v1/models").json()
    assert [row["id"] for row in said["data"]] == ["sandbox"]
    assert caller.get("/v1/models/sandbox").json() == said["data"][0]
    missing = caller.get("/v1/models/gpt-image-2")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
