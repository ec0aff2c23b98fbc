"""Uploads, renditions, delivery and the proof, over one person's real rows and files."""

import contextlib
import datetime
import hashlib
import io
import os
import threading
import time

import pytest
from django.test import RequestFactory
from PIL import Image as Pillow

from gesso.images import delivery, intake, proof, renditions, uploads
from gesso.images.models import Image
from tests import world
from tests.images import pictures

pytestmark = pytest.mark.django_db


@pytest.fixture
def who():
    return world.person()


def output(who: world.Person, directory, data: bytes, label: str = "A pear") -> Image:
    """Return a delivered output, its bytes kept as they are."""
    found = intake.prove(data)
    key = f"g/{who.workspace.id}/0-{found.sha256.hex()}.png"
    directory.put(key, data)
    return Image.objects.create(
        workspace=who.workspace, origin="output", width=found.width, height=found.height, media_type=found.media_type,
        bytes=len(data), sha256=found.sha256, storage_key=key, verdict="allowed", label=label,
    )  # fmt: skip


def body(response) -> bytes:
    with contextlib.closing(response):
        return b"".join(response) if response.streaming else response.content


def get(image: Image, variant: str = "original", *, download: bool = False, method: str = "get", **headers: str):
    request = getattr(RequestFactory(headers=headers), method)("/")
    return delivery.respond(request, image, variant, download=download)


def test_an_upload_is_clean_and_noted(who, directory):
    image = uploads.store(
        who.workspace, who.user, pictures.encoded(pictures.quarters(), "JPEG"), "C:\\x\\\u202egnp.\0cat.jpg"
    )
    image.refresh_from_db()
    assert (image.label, image.media_type, image.origin) == ("gnp.cat.jpg", "image/jpeg", "upload")
    assert hashlib.sha256(directory.get(image.storage_key)).digest() == bytes(image.sha256)
    assert directory.size(image.storage_key) == image.bytes


def test_what_is_refused_leaves_nothing(who, directory):
    with pytest.raises(intake.Refused):
        uploads.store(who.workspace, who.user, b"<html>", "a.png")
    assert list(directory.keys("")) == []
    assert not Image.objects.exists()


def test_renditions_are_small_clean_and_made_twice_without_harm(who, directory):
    image = output(who, directory, pictures.encoded(pictures.quarters(1600, 1200), "PNG", pnginfo=None))
    renditions.make(image)
    renditions.make(image)
    image.refresh_from_db()
    assert image.rendered_at
    assert image.placeholder != "#888888"
    for variant, size in (("preview", (1280, 960)), ("thumb", (480, 360))):
        content = renditions.read(image, variant)
        with Pillow.open(io.BytesIO(directory.get(content.key))) as opened:
            assert (opened.format, opened.size) == ("WEBP", size)


def test_many_readers_make_one_rendition(who, directory, monkeypatch):
    image = output(who, directory, pictures.plain_png(64, 64))
    made = []
    real = renditions._decode
    monkeypatch.setattr(renditions, "_decode", lambda *words: made.append(1) or real(*words))
    threads = [threading.Thread(target=renditions.read, args=(image, "clean")) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_the_clean_copy_has_no_metadata_and_the_original_keeps_its_own(who, directory):
    data = pictures.plain_png(64, 64, before=pictures.chunk(b"caBX", b"credentials")) + b"tail"
    image = output(who, directory, data)
    assert body(get(image)) == data
    assert b"credentials" not in body(get(image, "clean"))
    assert intake.sniff(body(get(image, "clean"))) == "PNG"


def test_an_original_that_does_not_open_is_undecodable(who, directory):
    image = output(who, directory, pictures.plain_png(64, 64))
    directory.local_path(image.storage_key).write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(renditions.Undecodable):
        renditions.make(image)
    assert get(image, "thumb").status_code == 404


def test_what_is_served_is_typed_private_and_inert(who, directory):
    image = output(who, directory, pictures.plain_png(64, 64))
    response = get(image)
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["Content-Length"] == str(image.bytes)
    response.close()
    for tags in (response["ETag"], f'"x", W/{response["ETag"]}', "*"):
        assert get(image, **{"If-None-Match": tags}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [("bytes=0-3", 206, slice(0, 4)), ("bytes=-4", 206, slice(-4, None)), ("bytes=10-", 206, slice(10, None)), ("bytes=0-1,4-5", 200, slice(None)),
     ("bytes=5-2", 200, slice(None)), ("lines=1-2", 200, slice(None)), ("bytes=99999-", 416, slice(0, 0))],
)  # fmt: skip
def test_one_range(who, directory, asked, status, part):
    data = pictures.plain_png(64, 64)
    response = get(output(who, directory, data), Range=asked)
    assert (response.status_code, body(response)) == (status, data[part])


def test_head_says_all_and_sends_nothing(who, directory):
    image = output(who, directory, pictures.plain_png(64, 64))
    response = get(image, method="head")
    assert (response["Content-Length"], body(response)) == (str(image.bytes), b"")


def test_what_was_replaced_withheld_or_broken_is_not_served(who, directory):
    image = output(who, directory, pictures.plain_png(64, 64))
    path = directory.local_path(image.storage_key)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert get(image).status_code == 404
    for change in ({"verdict": "withheld"}, {"broken_at": datetime.datetime.now(datetime.UTC)}):
        other = Image.objects.get(id=image.id)
        for name, value in change.items():
            setattr(other, name, value)
        assert get(other, "thumb").status_code == 404


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ('Three "pears"\r\nX: y; in a bowl', 'attachment; filename="three-pears-x-y-in-a-bowl-'),
        ("नमस्ते दुनिया", "filename*=UTF-8''%E0%A4%A8%E0%A4%AE%E0%A4%B8%E0%A5%8D%E0%A4%A4%E0%A5%87-"),
        ("../../etc/passwd", 'filename="etc-passwd-'),
        ("\u202e!?", 'filename="image-'),
    ],
)
def test_downloads_are_named_after_the_prompt(who, directory, label, expected):
    response = get(output(who, directory, pictures.plain_png(64, 64), label), download=True)
    response.close()
    assert expected in response["Content-Disposition"]
    assert "\n" not in response["Content-Disposition"]


def test_rows_and_bytes_that_agree_are_no_violation(who, directory):
    renditions.make(output(who, directory, pictures.plain_png(64, 64)))
    world.upload(who)
    assert proof.rows_have_objects(full=True) == []
    assert proof.objects_have_rows() == []


def test_lost_cut_and_changed_bytes_are_found(who, directory):
    lost, cut, changed = (output(who, directory, pictures.plain_png(n, 64)) for n in (61, 62, 63))
    directory.delete(lost.storage_key)
    directory.local_path(cut.storage_key).write_bytes(b"x")
    directory.local_path(changed.storage_key).write_bytes(b"x" * changed.bytes)
    found = {violation.subject: violation.sentence for violation in proof.rows_have_objects()}
    assert set(found) == {f"image {image.id}" for image in (lost, cut, changed)}
    assert "not the ones delivered" in found[f"image {changed.id}"]


def test_old_leftovers_are_found_and_young_ones_are_not(who, directory):
    names = [
        "g/a/0-x.png",
        "u/a/x.png",
        "r/0198a0c4-0000-7000-8000-000000000001/thumb.webp",
        "spool/a/1",
        "previews/a/0-1.webp",
        "x/y",
    ]
    for key in names:
        directory.put(key, b"x")
    (directory.root / "g/a/.tmp-left").write_bytes(b"x")
    assert proof.objects_have_rows() == []
    for path in directory.root.rglob("*"):
        os.utime(path, (time.time() - 90_000,) * 2)
    assert {violation.subject for violation in proof.objects_have_rows()} == {*names, "g/a/.tmp-left"}
