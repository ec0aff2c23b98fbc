"""Images over the native API: kept, found, fetched, trashed and restored, and nobody else's."""

import hashlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from gesso.images import decoding
from gesso.images.models import Image
from tests import world
from tests.api.callers import moved, whole

pytestmark = pytest.mark.django_db


def file(data=None, name="pears.png"):
    return SimpleUploadedFile(name, world.picture() if data is None else data, "image/png")


def test_an_upload_can_be_read_back_and_used(caller):
    answer = caller.form("/api/images", file=file())
    assert answer.status_code == 201
    said = answer.json()
    assert (said["origin"], said["width"], said["height"], said["media_type"]) == ("upload", 64, 64, "image/png")
    data = whole(caller.get(said["content"]))
    assert len(data) == said["bytes"]
    assert hashlib.sha256(data).hexdigest() == said["sha256"]
    assert caller.get(f"/api/images/{said['id']}").json() == said
    reference = {"image_id": said["id"], "role": "style"}
    made = caller.post("/api/generations", {"prompt": "Like this", "quality": "low", "references": [reference]})
    assert made.status_code == 202
    assert made.json()["references"] == [reference]


def test_without_a_decoder_an_upload_is_refused_for_a_moment(caller, monkeypatch):
    def none(*_: object, **__: object):
        raise decoding.Unavailable("the decoder was ended")

    monkeypatch.setattr(decoding, "decode", none)
    answer = caller.form("/api/images", file=file())
    assert (answer.status_code, answer.json()["error"]["code"], answer["Retry-After"]) == (
        503,
        "decoder_unavailable",
        "5",
    )
    assert Image.objects.count() == 0


def test_content_comes_in_every_variant_and_in_parts(caller):
    said = caller.form("/api/images", file=file(world.picture(1400, 900))).json()
    sizes = {}
    for variant, media_type in (("preview", "image/webp"), ("thumb", "image/webp"), ("clean", "image/png")):
        answer = caller.get(said["content"], {"variant": variant})
        assert (answer.status_code, answer["Content-Type"]) == (200, media_type)
        sizes[variant] = len(whole(answer))
    assert sizes["thumb"] < sizes["preview"]
    part = caller.get(said["content"], Range="bytes=0-7")
    assert (part.status_code, part.content) == (206, b"\x89PNG\r\n\x1a\n")
    beyond = caller.get(said["content"], Range="bytes=99999999-")
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (416, "bad_range")
    assert beyond["Content-Range"] == f"bytes */{said['bytes']}"
    known = caller.get(said["content"])
    assert whole(known) == whole(caller.get(said["content"]))
    assert caller.get(said["content"], **{"If-None-Match": known["ETag"]}).status_code == 304
    head = caller.client.head(said["content"], headers=caller.headers({}))
    assert int(head["Content-Length"]) == said["bytes"]


def test_the_trash_gives_back(caller):
    number = caller.form("/api/images", file=file()).json()["id"]
    assert caller.delete(f"/api/images/{number}").status_code == 204
    assert caller.delete(f"/api/images/{number}").status_code == 204
    assert caller.get(f"/api/images/{number}").json()["trashed_at"]
    assert caller.get("/api/images").json()["images"] == []
    assert [row["id"] for row in caller.get("/api/images", {"trashed": "true"}).json()["images"]] == [number]
    assert caller.post(f"/api/images/{number}/restore").json()["trashed_at"] is None
    assert [row["id"] for row in caller.get("/api/images", {"origin": "upload"}).json()["images"]] == [number]


def test_the_list_goes_back_in_pages(caller):
    numbers = [caller.form("/api/images", file=file()).json()["id"] for _ in range(3)]
    first = caller.get("/api/images", {"limit": 2}).json()
    second = caller.get("/api/images", {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [row["id"] for row in first["images"] + second["images"]] == numbers[::-1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("get", "/content"), ("delete", ""), ("post", "/restore")])
def test_someone_elses_image_is_the_same_as_none(caller, stranger, who, method, path):
    number = caller.form("/api/images", file=file()).json()["id"]
    before = moved(who)
    told = set()
    for wanted in (number, "0198c0de-0000-7000-8000-000000000000", "none"):
        answer = getattr(stranger, method)(f"/api/images/{wanted}{path}")
        assert answer.status_code == 404
        told.add((answer.json()["error"]["code"], answer.json()["error"]["message"]))
    assert told == {("not_found", "There is nothing here, or it belongs to another workspace.")}
    assert moved(who) == before
    assert Image.objects.get(id=number).trashed_at is None
    reference = {"prompt": "Like this", "quality": "low", "references": [{"image_id": number}]}
    answer = stranger.post("/api/generations", reference)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_reference")


def test_a_withheld_or_broken_image_is_not_there(caller):
    number = caller.form("/api/images", file=file()).json()["id"]
    Image.objects.filter(id=number).update(verdict=Image.Verdict.WITHHELD)
    for path in ("", "/content"):
        assert caller.get(f"/api/images/{number}{path}").status_code == 404
    assert caller.post(f"/api/images/{number}/restore").status_code == 404
