"""The settings pages: what they show, what they change, and to whom they don't exist."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from gesso.accounts import api_keys
from gesso.accounts.models import ApiKey, Membership, User
from tests import world

pytestmark = pytest.mark.django_db
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
PAGES = [
    "/settings",
    "/settings/keys",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/2fa/webauthn/",
    "/accounts/sessions/",
]


@pytest.fixture
def who():
    return world.person()


@pytest.fixture
def browser(who):
    client = Client()
    client.force_login(who.user, backend=BACKEND)
    return client


@pytest.mark.parametrize("path", PAGES)
def test_every_settings_page_stands_in_the_frame(browser, path):
    answer = browser.get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert 'aria-label="Settings"' in page
    assert not re.search(r"<style|<script(?![^>]*(?:src=|application/json))|\son[a-z]+=|\sstyle=", page)
    assert Client().get(path).status_code == 302


def test_the_code_for_the_authenticator_app_is_drawn_without_inline_style(who):
    client = Client()
    world.verify(who)
    client.post(reverse("account_login"), {"login": who.user.email, "password": "a long enough password"})
    asked = client.get(reverse("mfa_activate_totp"))["Location"]
    assert asked.startswith(reverse("account_reauthenticate"))
    client.post(asked, {"password": "a long enough password"})
    answer = client.get(reverse("mfa_activate_totp"))
    assert answer.status_code == 200, answer.headers
    page = answer.content.decode()
    assert "<svg" in page and "data:" not in page
    assert " style=" not in page


def test_the_name_is_saved(browser, who):
    assert browser.post("/settings", {"name": "  Ada Lovelace "}).status_code == 302
    assert User.objects.get(id=who.user.id).name == "Ada Lovelace"
    assert browser.post("/settings", {"name": "x" * 81}).status_code == 422


def test_a_key_is_shown_once(browser, who):
    page = browser.post("/settings/keys", {"name": "Shop importer"})
    secret = re.search(r"gsk_[\w-]{43}", page.content.decode())[0]
    assert api_keys.find(secret).workspace == who.workspace
    assert "no-store" in page["Cache-Control"]
    assert secret not in browser.get("/settings/keys").content.decode()
    assert browser.post("/settings/keys", {"name": ""}).status_code == 422
    assert ApiKey.objects.count() == 1


def test_only_ones_own_keys_are_revoked(browser, who):
    other = world.person()
    theirs, _ = api_keys.create(other.workspace, other.user, "theirs")
    ours, secret = api_keys.create(who.workspace, who.user, "ours")
    assert browser.post(f"/settings/keys/{theirs.id}/revoke").status_code == 404
    assert browser.post(f"/settings/keys/{ours.id}/revoke").status_code == 302
    assert api_keys.find(secret) is None
    assert ApiKey.objects.filter(id=theirs.id, revoked_at=None).exists()


def test_a_viewer_makes_no_keys(who):
    viewer = world.person()
    Membership.objects.filter(user=viewer.user).delete()
    Membership.objects.create(workspace=viewer.workspace, user=viewer.user, role=Membership.Role.VIEWER)
    client = Client()
    client.force_login(viewer.user, backend=BACKEND)
    assert client.post("/settings/keys", {"name": "x"}).status_code == 403
    assert not ApiKey.objects.exists()


def test_people_are_for_staff_and_a_link_is_shown_once(browser, who):
    assert browser.get("/settings/people").status_code == 404
    User.objects.filter(id=who.user.id).update(is_staff=True)
    page = browser.post("/settings/people", {"email": "bob@example.com"}).content.decode()
    link = re.search(r"/sign-in/[\w-]{43}", page)[0]
    assert link not in browser.get("/settings/people").content.decode()
    assert Client().post(link)["Location"] == "/studio"
    again = browser.post("/settings/people", {"email": "bob@example.com"})
    assert again.status_code == 422 and "has an account here already" in again.content.decode()
