"""Who may send large bodies: whoever the doors would let in, and nobody else."""

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client, RequestFactory

from gesso.accounts import api_keys
from gesso.config import credentials
from tests import world

pytestmark = pytest.mark.django_db


def with_session(key: str) -> bool:
    factory = RequestFactory()
    factory.cookies[settings.SESSION_COOKIE_NAME] = key
    return credentials.good(factory.post("/uploads"))


def with_header(value: str) -> bool:
    return credentials.good(RequestFactory().post("/v1/images/edits", headers={"Authorization": value}))


def session_of(who) -> str:
    client = Client()
    client.force_login(who.user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def test_an_active_key_is_good_until_it_is_revoked():
    who = world.person()
    key, secret = api_keys.create(who.workspace, who.user, "")
    assert with_header(f"Bearer {secret}")
    api_keys.revoke(who.workspace, key.id)
    assert not with_header(f"Bearer {secret}")


@pytest.mark.parametrize("value", ["x", "Bearer", "Bearer gsk_", "Bearer gsk_é", "Basic eDp4"])
def test_a_made_up_key_is_not(value):
    assert not with_header(value)


def test_a_session_is_good_while_it_signs_somebody_in():
    who = world.person()
    first, second = session_of(who), session_of(who)
    assert with_session(first)
    SessionStore(first).delete()
    assert not with_session(first)
    who.user.set_password("another long password")
    who.user.save()
    assert not with_session(second)


def test_a_closed_account_has_no_good_session():
    who = world.person()
    key = session_of(who)
    who.user.is_active = False
    who.user.save()
    assert not with_session(key)


def test_a_visitors_session_is_not_good_and_neither_is_none():
    visit = SessionStore()
    visit["seen"] = "yes"
    visit.create()
    assert not with_session(visit.session_key)
    assert not with_session("made up")
    assert not credentials.good(RequestFactory().post("/uploads"))


def test_a_session_beside_a_bad_key_is_good():
    factory = RequestFactory()
    factory.cookies[settings.SESSION_COOKIE_NAME] = session_of(world.person())
    assert credentials.good(factory.post("/uploads", headers={"Authorization": "Basic eDp4"}))
