"""Who opens the staff console on an install that is on the net: staff with a second factor."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.messages import get_messages

from gesso.accounts import second_factor
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
    assert [str(said) for said in get_messages(answer.wsgi_request)] == [second_factor.SENTENCE]


@PLACES
def test_with_one_they_are_in(boss, settings, path):
    settings.SECURE = True
    TOTP.activate(boss, generate_totp_secret())
    assert browser_of(boss).get(path).status_code == 200


@PLACES
def test_on_a_machine_of_ones_own_nobody_must(boss, path):
    assert browser_of(boss).get(path).status_code == 200


def test_to_everybody_else_the_console_is_as_absent_as_before(settings):
    settings.SECURE = True
    assert browser_of(world.person().user).get("/staff/").status_code == 404
