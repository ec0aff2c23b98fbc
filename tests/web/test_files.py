"""The bytes of images by session: whose they are, what stands in while a rendition is made, what a cache may keep."""

import contextlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gesso.generations import rendering
from gesso.images import decoding
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


def test_somebody_elses_picture_is_no_picture(browser, who):
    image = delivered(who)
    stranger = Client()
    stranger.force_login(world.person().user, backend="allauth.account.auth_backends.AuthenticationBackend")
    for variant in ("original", "clean", "preview", "thumb", "nonsense", ""):
        assert stranger.get(f"/images/{image.id}/file?variant={variant}").status_code == 404
    assert Client().get(f"/images/{image.id}/file").status_code == 302
    assert browser.get(f"/images/{image.id}/file?variant=nonsense").status_code == 404
