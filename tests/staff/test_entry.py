"""Who opens the staff console on an install that is on the net: staff with a second factor, who were asked of late."""

import time
import urllib.parse

import pytest
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.messages import get_messages

from gesso.accounts import staff_entry
from tests import world
from tests.staff.shop import browser_of

pytestmark = pytest.mark.django_db
PLACES = pytest.mark.parametrize("path", ["/staff/", "/staff/accounts/user/", "/settings/people"])


@pytest.fixture
def boss():
    who = world.person()
    who.user.is_staff = True
    who.user.save()
    return who.user


@PLACES
def test_without_one_staff_are_sent_to_set_it_up(boss, settings, path):
    settings.SECURE = True
    answer = browser_of(boss).get(path)
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/2fa/")
    assert [str(said) for said in get_messages(answer.wsgi_request)] == [staff_entry.NO_FACTOR]


@pytest.fixture
def browser(boss, settings):
    """A browser in which staff with a second factor came in just now."""
    settings.SECURE = True
    TOTP.activate(boss, generate_totp_secret())
    client = browser_of(boss)
    came(client, ago=1)
    return client


def came(client, *, ago: int) -> None:
    """Let whoever sits there have shown who they are so many seconds ago."""
    request = client.get("/studio").wsgi_request
    record_authentication(request, request.user, "password")
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time() - ago}]
    session["account_authentication_methods_user"] = request.session["account_authentication_methods_user"]
    session.save()


def asked_again(answer) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith("/accounts/reauthenticate/?next=")


@PLACES
def test_with_one_they_are_in(browser, path):
    assert browser.get(path).status_code == 200


@PLACES
def test_after_an_hour_without_the_console_they_are_asked_again_and_come_back(browser, path):
    came(browser, ago=staff_entry.UNUSED_SECONDS + 60)
    answer = browser.get(f"{path}?q=a%20b&p=2")
    assert asked_again(answer)
    assert answer["Location"].endswith(urllib.parse.urlencode({"next": f"{path}?q=a%20b&p=2"}))
    assert [str(said) for said in get_messages(answer.wsgi_request)] == [staff_entry.WHO]
    browser.get("/staff/jsi18n/")
    assert browser.get(answer["Location"]).content.decode().count(staff_entry.WHO) == 1
    back = browser.post(answer["Location"], {"password": "a long enough password"})
    assert back["Location"] == f"{path}?q=a%20b&p=2"
    assert browser.get(back["Location"]).status_code in {200, 302}
    assert browser.get(path).status_code == 200


def test_using_it_keeps_it_open_for_half_a_day_and_no_longer(browser):
    came(browser, ago=staff_entry.WHOLE_SECONDS - 60)
    session = browser.session
    session[staff_entry.USED] = time.time() - staff_entry.UNUSED_SECONDS + 60
    session.save()
    assert browser.get("/staff/").status_code == 200
    assert browser.session[staff_entry.USED] == pytest.approx(time.time(), abs=60)
    came(browser, ago=staff_entry.WHOLE_SECONDS + 60)
    assert asked_again(browser.get("/staff/"))


def test_a_form_sent_too_late_changes_nothing_and_begins_anew(browser, boss):
    came(browser, ago=staff_entry.UNUSED_SECONDS + 60)
    answer = browser.post("/settings/people", {"email": "eve@example.com"})
    assert asked_again(answer)
    assert answer["Location"].endswith("next=%2Fstaff%2F")
    assert not type(boss).objects.filter(email="eve@example.com").exists()


@PLACES
def test_on_a_machine_of_ones_own_nobody_must(boss, path):
    assert browser_of(boss).get(path).status_code == 200


def test_to_everybody_else_the_console_is_as_absent_as_before(settings):
    settings.SECURE = True
    assert browser_of(world.person().user).get("/staff/").status_code == 404
