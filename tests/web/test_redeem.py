"""The page that redeems a code: its states, its sentences, who may, and that nothing moves when it refuses."""

import re

import pytest
from django.test import Client

from gesso.accounts.models import Membership
from gesso.core import catalog
from gesso.credits import allowances, promo
from gesso.credits.models import CreditGrant
from tests import world

pytestmark = pytest.mark.django_db

PATH = "/credits/redeem"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def who():
    return world.person()


@pytest.fixture
def browser(who):
    client = Client()
    client.force_login(who.user, backend=BACKEND)
    return client


@pytest.fixture(autouse=True)
def spring():
    return promo.make(word="SPRING-25", amount=25, uses_most=10)


def test_a_visitor_signs_in_first():
    assert Client().get(f"{PATH}?code=SPRING-25")["Location"] == (
        "/accounts/login/?next=/credits/redeem%3Fcode%3DSPRING-25"
    )
    assert Client().post(PATH, {"code": "SPRING-25"}).status_code == 302
    assert not CreditGrant.objects.exists()


def test_the_page_asks_and_looking_uses_nothing(browser):
    page = browser.get(f'{PATH}?code=SPRING-25"><b>')
    assert page.status_code == 200
    assert 'value="SPRING-25&quot;&gt;&lt;b&gt;"' in page.content.decode()
    assert not re.search(rb"<style|<script(?![^>]* src=)|\son[a-z]+=|\sstyle=", page.content)
    assert not CreditGrant.objects.exists()


def test_a_code_adds_its_credits_and_says_until_when(browser, who):
    page = browser.post(PATH, {"code": " spring 25 "}).content.decode()
    assert "25 credits added." in page
    lot = CreditGrant.objects.get()
    assert f"{lot.expires_at:%-d %B %Y}" in page
    assert world.available(who) == 25
    assert "Code SPRING-25" in browser.get("/credits").content.decode()


@pytest.mark.parametrize(
    ("code", "refusal", "sentence"),
    [
        ("SPRING-26", "code_unknown", "There is no such code."), ("\u0405PRING25", "code_unknown", "no such code"),
        ("' OR 1=1 --", "code_unknown", "no such code"), ("WELCOME", "code_wrong_place", "when an account is made"),
        ("ENDED-1", "code_ended", "has ended"), ("", "", "required"), ("   ", "", "required"),
        ("x" * 81, "", "at most 80 characters"), ("a\0b", "", "Null characters"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_sentence_with_its_code(browser, who, code, refusal, sentence):
    promo.make(kind="invite", word="WELCOME", amount=5, uses_most=5)
    promo.end(promo.make(word="ENDED-1", amount=5, uses_most=5).pk)
    answer = browser.post(PATH, {"code": code})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page and page.count('class="error"') == 1
    assert (f'data-refusal="{refusal}"' in page) is bool(refusal)
    assert 'aria-invalid="true"' in page
    assert world.available(who) == 0


def test_again_is_refused_and_adds_nothing(browser, who):
    browser.post(PATH, {"code": "SPRING-25"})
    answer = browser.post(PATH, {"code": "SPRING-25"})
    assert answer.status_code == 422 and 'data-refusal="code_used_here"' in answer.content.decode()
    assert world.available(who) == 25


def test_guessing_ends_with_429(browser):
    for number in range(5):
        assert browser.post(PATH, {"code": f"GUESS-{number}"}).status_code == 422
    answer = browser.post(PATH, {"code": "SPRING-25"})
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert "Try again in a minute" in answer.content.decode()
    assert not CreditGrant.objects.exists()


def test_a_viewer_adds_nothing(who):
    viewer = world.person()
    Membership.objects.create(workspace=who.workspace, user=viewer.user, role=Membership.Role.VIEWER)
    client = Client()
    client.force_login(viewer.user, backend=BACKEND)
    session = client.session
    session["workspace"] = str(who.workspace.id)
    session.save()
    page = client.get(PATH).content.decode()
    assert "Your role here is viewer" in page and 'name="code"' not in page
    assert client.post(PATH, {"code": "SPRING-25"}).status_code == 403
    assert not CreditGrant.objects.exists()


def test_a_form_from_elsewhere_adds_nothing(who):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(who.user, backend=BACKEND)
    assert strict.post(PATH, {"code": "SPRING-25"}).status_code == 403
    assert not CreditGrant.objects.exists()


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_do_nothing(browser, method):
    assert getattr(browser, method)(PATH).status_code == 405


def test_the_page_of_credits_leads_here_and_says_why_there_are_no_daily_credits(monkeypatch):
    rules = catalog.current()
    free = rules.free.model_copy(update={"per_network": 1})
    monkeypatch.setattr(catalog, "current", lambda: rules.model_copy(update={"free": free}))
    pages = []
    for _ in range(2):
        who = world.person()
        world.verify(who)
        client = Client(REMOTE_ADDR="8.8.8.8")
        client.force_login(who.user, backend=BACKEND)
        pages.append(client.get("/credits").content.decode())
    first, second = pages
    assert f'href="{PATH}"' in first and allowances.CROWDED not in first and "new each day" in first
    assert allowances.CROWDED in second and "new each day" not in second
