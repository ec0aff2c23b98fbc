"""The pages of what went wrong, each asked for by doing what leads to it: ours, readable, and under our own policy."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from gesso.accounts import workspaces
from gesso.accounts.models import Workspace
from tests import world

STALE = (403, "This page is too old")
DAMAGED = (400, "This request makes no sense here")
HTMX = {"HX-Request": "true"}


def shown(answer) -> tuple[int, str]:
    """Return the status and the title of a page of ours; no script may take it for a piece of a page."""
    page = answer.content.decode()
    assert answer["Content-Type"].startswith("text/html")
    assert "X-Fragment" not in answer
    assert "Open the studio" in page
    assert not re.search(r"<style|<script(?![^>]* src=)|\sstyle=", page)
    return answer.status_code, re.search(r"<h1[^>]*>(.*?)</h1>", page)[1]


def someone(**options) -> Client:
    client = Client(**options)
    client.force_login(world.person().user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["a form", "a script"])
@pytest.mark.parametrize("path", ["/theme", "/studio/references", "/credits/buy"])
def test_a_form_without_a_token_is_told_that_its_page_is_too_old(path, headers):
    assert shown(someone(enforce_csrf_checks=True).post(path, headers=headers)) == STALE


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/", "/staff/login/"])
def test_a_visitors_form_without_a_token_is_told_the_same(path):
    fields = {"login": "ada@example.com", "password": "a long enough password"}
    assert shown(Client(enforce_csrf_checks=True).post(path, fields)) == STALE


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["a person", "a script"])
@pytest.mark.parametrize("path", ["/library", "/studio", "/credits", "/credits/receipts"])
def test_a_cursor_that_no_list_gave_out_makes_no_sense(path, headers):
    assert shown(someone().get(f"{path}?cursor=xyz", headers=headers)) == DAMAGED


def test_a_host_that_is_not_ours_makes_no_sense_and_asks_no_database():
    assert shown(Client().get("/studio", headers={"host": "elsewhere.example"})) == DAMAGED


@pytest.mark.django_db
def test_a_form_that_is_too_large_is_told_so(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = someone().post("/theme", "theme=" + "x" * 1001, "application/x-www-form-urlencoded")
    assert shown(answer) == (413, "That is too much at once")


@pytest.mark.django_db
def test_too_many_accounts_from_one_place_end_with_our_page(settings):
    settings.ACCOUNT_RATE_LIMITS = {"signup": "1/h/ip"}
    client = Client()
    assert client.post("/accounts/signup/").status_code == 200
    assert shown(client.post("/accounts/signup/")) == (429, "Too many tries")


@pytest.mark.django_db
def test_who_was_signed_out_meanwhile_is_told_that_it_may_have_been_done(monkeypatch):
    client = someone()

    def of(user):
        Session.objects.all().delete()
        return memberships(user)

    memberships = workspaces.of
    monkeypatch.setattr(workspaces, "of", of)
    name = {"name": "The other office"}
    assert shown(client.post("/team/new", name)) == (400, "Your sign-in ended")
    assert Workspace.objects.filter(**name).exists()
