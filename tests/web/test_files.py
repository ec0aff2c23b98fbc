"""The bytes of images by session: whose they are, what stands in while a rendition is made, what a cache may keep."""

import contextlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gesso.generations import rendering
from gesso.generations.models import Output
from gesso.images import decoding, storage
from gesso.images.models import Image
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def who():
    return world.person(credits=100)


@pytest.fixture
def browser(who):
    client = Client()
    client.force_login(who.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def look(browser, address: str) -> tuple[int, str, str]:
    """Return status, type and what caches are told; the file is closed."""
    with contextlib.closing(browser.get(address)) as answer:
        return answer.status_code, answer["Content-Type"], answer["Cache-Control"]


def delivered(who) -> Image:
    world.drive(world.submit(who), world.ScriptedProvider())
    return Image.objects.get(origin="output")


@pytest.mark.parametrize("variant", ["thumb", "preview"])
def test_a_new_picture_is_seen_before_its_renditions_are_there(browser, who, variant, monkeypatch):
    image = delivered(who)
    monkeypatch.setattr("gesso.images.decoding.decode", None)  # nothing is decoded for it
    address = f"/images/{image.id}/file?variant={variant}"
    assert look(browser, address) == (200, "image/png", "no-store")
    monkeypatch.undo()
    rendering.render(image.id)
    status, media_type, kept = look(browser, address)
    assert (status, media_type) == (200, "image/webp")
    assert "immutable" in kept


def test_when_no_worker_makes_it_the_rendition_is_made_on_demand(browser, who, monkeypatch):
    image = delivered(who)
    monkeypatch.setattr("gesso.images.renditions.WORKER_SECONDS", 0)
    assert look(browser, f"/images/{image.id}/file?variant=thumb")[:2] == (200, "image/webp")


def test_without_a_decoder_a_picture_is_asked_for_again_and_nothing_is_kept(browser, who, monkeypatch):
    image = delivered(who)

    def none(*_: object, **__: object):
        raise decoding.Unavailable("the decoder was ended")

    monkeypatch.setattr(decoding, "decode", none)
    monkeypatch.setattr("gesso.images.renditions.WORKER_SECONDS", 0)
    answer = browser.get(f"/images/{image.id}/file?variant=thumb")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    answer = browser.post("/studio/references", {"file": SimpleUploadedFile("pears.png", world.picture(), "image/png")})
    assert answer.status_code == 503
    assert "Try again in a minute." in answer.content.decode()
    assert Image.objects.filter(origin="upload").count() == 0


@pytest.mark.parametrize("page", ["an image", "a preview"])
def test_while_the_storage_is_away_a_picture_is_asked_for_again(browser, who, page, monkeypatch):
    def away(*_: object, **__: object) -> bytes:
        raise storage.Unavailable("the disk says: Input/output error")

    if page == "an image":
        monkeypatch.setattr("gesso.images.delivery.respond", away)
        address = f"/images/{world.upload(who).id}/file"
    else:
        Output.objects.filter(generation=(made := world.submit(who))).update(previews=1)
        address = f"/generations/{made.id}/previews/0"
        assert browser.get(address).status_code == 204  # its bytes are gone, as when the picture has just come
        monkeypatch.setattr(storage.Directory, "get", away)
    answer = browser.get(address)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.content == b"The image can't be reached just now.\n"


def test_somebody_elses_picture_is_no_picture(browser, who):
    image = delivered(who)
    stranger = Client()
    stranger.force_login(world.person().user, backend="allauth.account.auth_backends.AuthenticationBackend")
    for variant in ("original", "clean", "preview", "thumb", "nonsense", ""):
        assert stranger.get(f"/images/{image.id}/file?variant={variant}").status_code == 404
    assert Client().get(f"/images/{image.id}/file").status_code == 302
    assert browser.get(f"/images/{image.id}/file?variant=nonsense").status_code == 404


def test_a_bucket_gives_the_bytes_itself_and_we_answer_for_its_head(browser, who, monkeypatch):
    image = delivered(who)
    monkeypatch.setattr(storage.Directory, "presigned", lambda _storage, key, **_words: f"https://bucket.example/{key}")
    sent_on = browser.get(f"/images/{image.id}/file")
    assert (sent_on.status_code, sent_on["Location"]) == (302, f"https://bucket.example/{image.storage_key}")
    assert sent_on["Cache-Control"] == "private, max-age=450"
    with contextlib.closing(browser.head(f"/images/{image.id}/file")) as head:
        assert (head.status_code, head["Content-Type"], head["Content-Length"]) == (200, "image/png", str(image.bytes))
