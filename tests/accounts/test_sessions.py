"""How long a sign-in lasts, and what ends it in other browsers."""

import datetime
import re
import time
import urllib.parse

import pytest
from allauth.mfa.totp.internal.auth import hotp_value, yield_hotp_counters_from_time
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session
from django.core import mail as outbox_
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from gesso.accounts import mail, sessions, sign_in_links
from gesso.accounts.models import User
from tests import world
from tests.staff.shop import BACKEND, browser_of

pytestmark = pytest.mark.django_db
DAY = 24 * 3600
PASSWORD = "a long enough password"
ENDED = "You were signed out in every other browser."


def come_in(who: world.Person) -> Client:
    """Return a browser in which this person signed in by password, as the list of sessions notes it."""
    world.verify(who)
    client = Client()
    client.post(reverse("account_login"), {"login": who.user.email, "password": PASSWORD})
    assert signed_in(client)
    return client


def signed_in(client: Client) -> bool:
    return client.get("/studio").status_code == 200


def said(answer) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def age(client: Client, **seconds: int) -> None:
    """Let the session have begun, or have been used, so many seconds ago."""
    session = client.session
    for name, ago in seconds.items():
        session[name] = int(time.time()) - ago
    session.save()


def lasts(client: Client) -> float:
    """Return how many days the session would last without another use."""
    row = Session.objects.get(session_key=client.session.session_key)
    return (row.expire_date - timezone.now()).total_seconds() / DAY


def shorten(client: Client, days: float) -> None:
    """Let the session end in so many days."""
    Session.objects.update(expire_date=timezone.now() + datetime.timedelta(days=days))
    assert lasts(client) == pytest.approx(days, abs=0.01)


def test_it_ends_thirty_days_after_signing_in_however_often_it_is_used():
    client = browser_of(world.person().user)
    age(client, began=30 * DAY - 60)
    assert signed_in(client)
    key = client.session.session_key
    age(client, began=30 * DAY + 60, used=0)
    assert not signed_in(client)
    assert not Session.objects.filter(session_key=key).exists()


def test_a_use_puts_the_end_off_and_is_written_down_once_a_day():
    client = browser_of(world.person().user)
    assert signed_in(client)
    shorten(client, 3)
    answer = client.get("/studio")
    assert lasts(client) == pytest.approx(3, abs=0.01)
    assert not answer.cookies
    age(client, used=DAY + 60)
    shorten(client, 3)
    answer = client.get("/studio")
    assert lasts(client) == pytest.approx(14, abs=0.01)
    assert next(iter(answer.cookies.values()))["max-age"] == 14 * DAY


@pytest.mark.parametrize("path", ["/", "/pricing", "/robots.txt", "/api/docs", "/livez", "/v1/models"])
def test_what_is_not_about_anybody_carries_no_session(path):
    client = browser_of(world.person().user)
    assert signed_in(client)
    age(client, used=2 * DAY)
    assert not client.get(path).cookies
    ended = Client()
    ended.cookies[settings.SESSION_COOKIE_NAME] = "x" * 32
    answer = ended.get(path)
    assert not answer.cookies or "public" not in answer.get("Cache-Control", "")


@pytest.mark.parametrize("key", ['"\\000aaaaaaaaaa"', "'--", "x" * 4000, "\u00e9" * 9])
def test_what_was_never_a_session_is_none(key):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "x"
    client.cookies[settings.SESSION_COOKIE_NAME].set(settings.SESSION_COOKIE_NAME, key, key)
    assert client.get("/studio").status_code == 302
    assert client.get("/").status_code == 200


def test_ended_sessions_are_forgotten():
    ended, lasting = browser_of(world.person().user), browser_of(world.person().user)
    Session.objects.filter(session_key=ended.session.session_key).update(expire_date=timezone.now())
    sessions.forget()
    assert list(Session.objects.values_list("session_key", flat=True)) == [lasting.session.session_key]


def test_two_weeks_without_a_use_end_it():
    client = browser_of(world.person().user)
    Session.objects.update(expire_date=timezone.now())
    assert not signed_in(client)


def test_signing_in_begins_anew_and_an_older_session_begins_when_it_is_seen():
    who = world.person()
    client = come_in(who)
    assert client.session[sessions.BEGAN] == pytest.approx(time.time(), abs=60)
    session = client.session
    assert session[sessions.USED] == session[sessions.BEGAN]
    del session[sessions.BEGAN], session[sessions.USED]
    session.save()
    assert signed_in(client)
    held = Session.objects.get(session_key=client.session.session_key).get_decoded()
    assert held[SESSION_KEY] == str(who.user.pk)
    assert held[sessions.BEGAN] == pytest.approx(time.time(), abs=60)


def test_another_second_factor_ends_the_others(django_capture_on_commit_callbacks):
    who = world.person()
    here, there, somebody = come_in(who), come_in(who), come_in(world.person())
    here.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    secret = here.get(reverse("mfa_activate_totp")).context["form"].secret
    if (left := 30 - time.time() % 30) < 5:  # the code shall still be good when it arrives
        time.sleep(left)
    code = hotp_value(secret, next(iter(yield_hotp_counters_from_time())))
    with django_capture_on_commit_callbacks(execute=True):
        answer = here.post(reverse("mfa_activate_totp"), {"code": f"{code:06}"})
    assert answer.status_code == 302
    assert ENDED in said(answer)
    assert signed_in(here)
    assert signed_in(somebody)
    assert not signed_in(there)
    elsewhere = Client()
    elsewhere.force_login(who.user, backend=BACKEND)
    UserSession.objects.create(user=who.user, ip="192.0.2.1", session_key=elsewhere.session.session_key)
    here.post(reverse("mfa_deactivate_totp"))
    assert signed_in(here)
    assert not signed_in(elsewhere)


def test_another_address_and_another_password_end_the_others(monkeypatch):
    monkeypatch.setattr(mail, "send_soon", lambda message: message.send())
    who = world.person()
    here, there = come_in(who), come_in(who)
    here.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    here.post(reverse("account_email"), {"action_add": "", "email": "ada@example.com"})
    code = re.search(r"^([A-Z0-9-]{6,})$", outbox_.outbox[-1].body, re.MULTILINE)[1]
    here.post(reverse("account_email_verification_sent"), {"code": code})
    assert User.objects.get(pk=who.user.pk).email == "ada@example.com"
    assert signed_in(here)
    assert not signed_in(there)
    who.user.refresh_from_db()
    there = come_in(who)
    words = {"oldpassword": PASSWORD, "password1": "another long password", "password2": "another long password"}
    link = sign_in_links.create(who.user)
    changed = here.post(reverse("account_change_password"), words)
    assert ENDED in said(changed)
    assert signed_in(here)
    assert not signed_in(there)
    assert Client().post(urllib.parse.urlsplit(link).path).status_code == 410
    words = {"oldpassword": "another long password", "password1": "a third long password"}
    words["password2"] = words["password1"]
    assert ENDED in here.get(reverse("account_change_password")).content.decode()  # shown, and not again
    alone = here.post(reverse("account_change_password"), words)
    assert (alone.status_code, ENDED in said(alone)) == (302, False)


def change_address(who: world.Person, address: str) -> None:
    who.user.emailaddress_set.update(email=address)
    User.objects.filter(pk=who.user.pk).update(email=address)


def code_in(message) -> str:
    return re.search(r"^([A-Z0-9-]{6,})$", message.body, re.MULTILINE)[1]


def test_codes_that_were_mailed_to_an_address_before_it_changed_are_void(monkeypatch):
    monkeypatch.setattr(mail, "send_soon", lambda message: message.send())
    who, old = world.person(), Client()
    world.verify(who)
    old.post(reverse("account_request_login_code"), {"email": who.user.email})
    code = code_in(outbox_.outbox[-1])
    resetting = Client()
    resetting.post(reverse("account_reset_password"), {"email": who.user.email})
    reset = code_in(outbox_.outbox[-1])
    change_address(who, "ada@example.com")
    assert old.post(reverse("account_confirm_login_code"), {"code": code})["Location"] == reverse("account_login")
    assert not signed_in(old)
    resetting.post(reverse("account_confirm_password_reset_code"), {"code": reset})
    new = {"password1": "a thief's long password", "password2": "a thief's long password"}
    answer = resetting.post(reverse("account_complete_password_reset"), new)
    assert "has changed since" in answer.content.decode()
    who.user.refresh_from_db()
    assert who.user.check_password(PASSWORD)
    assert [row.email for row in who.user.emailaddress_set.all()] == ["ada@example.com"]
