"""Codes in the staff console: made and ended by a form with a reason, listed with their uses, never changed."""

import csv
import datetime
import io
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from gesso.credits import promo
from gesso.credits.models import CreditGrant, PromoCode
from tests import world
from tests.credits.clocks import Clock
from tests.credits.test_race import at_once
from tests.staff.shop import BACKEND, browser_of
from tests.staff.test_looking import INLINE

pytestmark = pytest.mark.django_db

LIST, MAKE = "/staff/credits/promocode/", "/staff/credits/promocode/make/"


def form(**changed) -> dict[str, str]:
    sent = {"kind": "promo", "word": "SPRING-25", "amount": "25", "uses_most": "10", "note": "The spring letter"}
    return sent | {"once": str(uuid.uuid4())} | changed


def end_of(code: PromoCode) -> str:
    return f"{LIST}{code.pk}/end/"


@pytest.fixture
def spring():
    return promo.make(word="SPRING-25", amount=25, uses_most=10)


def test_a_code_is_made_shown_and_in_the_history(browser, boss):
    assert MAKE in browser.get(LIST).content.decode()
    assert 'value="promo"' in browser.get(MAKE).content.decode()
    answer = browser.post(MAKE, form(credits_days="30", for_new_only="on"), follow=True)
    page = answer.content.decode()
    assert "The code SPRING-25 was made." in page
    assert "0 of 10" in page and "/credits/redeem?code=SPRING-25" in page
    code = PromoCode.objects.get()
    assert (code.kind, code.credits, code.uses_most, code.credits_days, code.for_new_only) == (
        "promo",
        25,
        10,
        30,
        True,
    )
    assert (code.note, code.made_by) == ("The spring letter", boss)
    assert "The spring letter" in LogEntry.objects.get().change_message
    assert "The spring letter" in browser.get(f"{LIST}{code.pk}/history/").content.decode()


def test_an_invitation_code_leads_to_the_sign_up(browser):
    page = browser.post(MAKE, form(kind="invite", word="", amount="0"), follow=True).content.decode()
    code = PromoCode.objects.get()
    assert f"/accounts/signup/?code={code.shown}" in page
    assert len(code.shown) == 14


@pytest.mark.parametrize(
    ("zone", "ends"),
    [
        ("Pacific/Auckland", datetime.datetime(2026, 3, 31, 11, tzinfo=datetime.UTC)),
        ("America/Los_Angeles", datetime.datetime(2026, 4, 1, 7, tzinfo=datetime.UTC)),
    ],
)
def test_the_last_day_ends_at_the_installs_midnight(browser, settings, monkeypatch, zone, ends):
    monkeypatch.setattr("gesso.core.clock.now", Clock().now)
    settings.TIME_ZONE = zone
    browser.post(MAKE, form(last_day="2026-03-31"))
    assert PromoCode.objects.get().expires_at == ends


def test_a_form_sent_twice_makes_one_code(browser):
    sent = form(word="")
    browser.post(MAKE, sent)
    assert "made already" in browser.post(MAKE, sent, follow=True).content.decode()
    assert (PromoCode.objects.count(), LogEntry.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_form_sent_twice_at_once_makes_one_code(boss):
    sent = form(word="")
    clients = [browser_of(boss) for _ in range(4)]
    answers = at_once(*[lambda client=client: client.post(MAKE, sent).status_code for client in clients])
    assert answers == [302] * 4
    assert (PromoCode.objects.count(), LogEntry.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": ""}, {"kind": "gift"}, {"word": "SHORT"}, {"word": "x" * 49}, {"word": "<script>"}, {"word": "a\0b"},
        {"amount": ""}, {"amount": "0"}, {"amount": "-5"}, {"amount": "100001"}, {"amount": "2.5"},
        {"uses_most": "0"}, {"uses_most": "100001"}, {"uses_most": ""}, {"last_day": "2020-01-01"},
        {"last_day": "9999-12-31"}, {"last_day": "0001-01-01"}, {"last_day": "soon"}, {"credits_days": "0"},
        {"credits_days": "9" * 30}, {"note": ""}, {"note": "  "}, {"note": "x" * 201}, {"once": ""}, {"once": "1"},
    ],
)  # fmt: skip
def test_a_bad_form_makes_nothing_and_says_so(browser, changed):
    answer = browser.post(MAKE, form(**changed))
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "No code was made." in page and "errorlist" in page
    assert not PromoCode.objects.exists() and not LogEntry.objects.exists()


def test_a_word_that_is_taken_is_a_sentence(browser, spring):
    answer = browser.post(MAKE, form(word="spring 25"))
    assert answer.status_code == 400
    assert "such a code already" in answer.content.decode()
    assert PromoCode.objects.count() == 1


def test_a_code_ends_once_with_a_reason_and_its_credits_stay(browser, spring):
    who = world.person()
    promo.redeem(who.workspace, who.user, "SPRING-25")
    assert end_of(spring) in browser.get(f"{LIST}{spring.pk}/change/").content.decode()
    assert browser.post(end_of(spring), {"reason": ""}).status_code == 400
    spring.refresh_from_db()
    assert spring.ended_at is None
    assert "was ended" in browser.post(end_of(spring), {"reason": "Leaked"}, follow=True).content.decode()
    again = browser.post(end_of(spring), {"reason": "Leaked"}, follow=True).content.decode()
    assert "had been ended already" in again and end_of(spring) not in again
    assert [line.change_message for line in LogEntry.objects.all()] == ["Ended: Leaked"]
    assert world.available(who) == 25


def test_its_uses_are_listed_and_in_the_file(browser, spring):
    who = world.person(email="=cmd@example.org")
    promo.redeem(who.workspace, who.user, "SPRING-25")
    page = browser.get(f"{LIST}{spring.pk}/change/").content.decode()
    assert "1 of 10" in page and "=cmd@example.org" in page
    answer = browser.get(f"{LIST}{spring.pk}/uses.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="SPRING-25.csv"'
    head, line = csv.reader(io.StringIO(answer.content.decode()))
    row = dict(zip(head, line, strict=True))
    assert (row["person"], row["state"], row["credits"]) == ("'=cmd@example.org", "counted", "25")
    assert row["workspace_id"] == str(who.workspace.pk)


def test_the_list_finds_codes_and_asks_a_bounded_number_of_queries(browser, django_assert_max_num_queries):
    for number in range(10):
        promo.make(word=f"SPRING-{number}", amount=1, uses_most=1)
    with django_assert_max_num_queries(12):
        page = browser.get(f"{LIST}?q=SPRING-3").content.decode()
    assert "SPRING-3" in page and "SPRING-4" not in page


def test_nobody_else_gets_near(spring):
    who = world.person()
    paths = (LIST, MAKE, end_of(spring), f"{LIST}{spring.pk}/uses.csv", f"{LIST}{spring.pk}/change/")
    for client in (Client(), browser_of(who.user)):
        for path in paths:
            assert client.get(path).status_code in {302, 404}
            assert client.post(path, form() | {"reason": "x"}).status_code in {302, 403, 404}
    spring.refresh_from_db()
    assert spring.ended_at is None and PromoCode.objects.count() == 1


def test_nothing_of_a_code_is_changed_or_deleted(browser, boss, spring):
    type(boss).objects.filter(pk=boss.pk).update(is_superuser=True)
    told = {field.name: "1" for field in PromoCode._meta.fields} | {"_save": "Save"}
    before = PromoCode.objects.values().get()
    for what in (f"{spring.pk}/change/", "add/", f"{spring.pk}/delete/"):
        assert browser.post(f"{LIST}{what}", told | {"post": "yes"}).status_code == 403
    assert PromoCode.objects.values().get() == before


def test_its_pages_have_nothing_inline(browser, spring):
    for path in (LIST, MAKE, end_of(spring), f"{LIST}{spring.pk}/change/", f"{LIST}{spring.pk}/history/"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert not INLINE.findall(answer.content)


def test_a_form_from_elsewhere_does_nothing(boss, spring):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(boss, backend=BACKEND)
    assert strict.post(MAKE, form(word="OTHER-1")).status_code == 403
    assert strict.post(end_of(spring), {"reason": "x"}).status_code == 403
    assert PromoCode.objects.get().ended_at is None


@pytest.mark.parametrize("what", ["end/", "uses.csv"])
@pytest.mark.parametrize("number", ["nonsense", "0190f5fe-7c00-7000-8000-000000000000", "1"])
def test_a_code_that_is_not_there(browser, what, number):
    assert browser.get(f"{LIST}{number}/{what}").status_code == 404
    assert not CreditGrant.objects.exists()
