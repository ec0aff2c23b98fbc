"""Staff grants: once for each form however often it is sent, with a reason and a name, and never by a bad form."""

import threading
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client

from gesso.credits import proof, queries
from gesso.credits.models import CreditEntry, CreditGrant
from gesso.staff import granting
from tests import world
from tests.staff.shop import BACKEND, browser_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def who():
    return world.person(credits=10, email="ada@example.org")


def address(who) -> str:
    return f"/staff/accounts/workspace/{who.workspace.pk}/grant/"


def form(**changed) -> dict[str, str]:
    return {"amount": "250", "reason": "A slow Tuesday", "once": str(uuid.uuid4())} | changed


def test_the_workspace_page_leads_to_the_form(browser, who):
    page = browser.get(f"/staff/accounts/workspace/{who.workspace.pk}/change/").content.decode()
    assert address(who) in page
    shown = browser.get(address(who))
    assert shown.status_code == 200
    assert 'name="amount"' in shown.content.decode()
    assert "style=" not in shown.content.decode()
    assert CreditGrant.objects.count() == 1


def test_a_grant_is_in_the_wallet_the_statement_and_the_history(browser, boss, who):
    response = browser.post(address(who), form())
    assert response.status_code == 302
    assert response["Location"] == f"/staff/accounts/workspace/{who.workspace.pk}/change/"
    assert queries.balance(who.workspace.pk).available == 260
    entry = CreditEntry.objects.latest("id")
    assert (entry.kind, entry.amount, entry.actor, entry.reason) == ("grant", 250, boss.email, "A slow Tuesday")
    assert entry.grant.source == "staff"
    assert entry.grant.expires_at is None
    line = LogEntry.objects.get()
    assert (line.user, line.object_id, line.change_message) == (
        boss,
        str(who.workspace.pk),
        "Granted 250 credits: A slow Tuesday",
    )
    assert (
        "Granted 250 credits" in browser.get(f"/staff/accounts/workspace/{who.workspace.pk}/history/").content.decode()
    )
    assert "260 available" in browser.get(response["Location"]).content.decode()
    assert [*proof.conservation(), *proof.never_negative()] == []


def test_the_form_shown_can_be_sent(browser, who):
    once = browser.get(address(who)).context["form"]["once"].value()
    assert browser.post(address(who), form(once=str(once))).status_code == 302
    assert queries.balance(who.workspace.pk).available == 260


def test_a_form_sent_twice_grants_once(browser, who):
    sent = form()
    assert browser.post(address(who), sent).status_code == 302
    again = browser.post(address(who), sent, follow=True)
    assert "nothing was granted twice" in again.content.decode()
    assert queries.balance(who.workspace.pk).available == 260
    assert LogEntry.objects.count() == 1


def test_a_form_changed_and_sent_again_grants_nothing_more(browser, who):
    sent = form()
    browser.post(address(who), sent)
    again = browser.post(address(who), sent | {"amount": "500"})
    assert again.status_code == 400
    assert "has granted 250 credits" in again.content.decode()
    assert queries.balance(who.workspace.pk).available == 260


def test_the_same_number_for_another_workspace_is_another_grant(browser, who):
    other = world.person()
    sent = form()
    browser.post(address(who), sent)
    browser.post(address(other), sent)
    assert (queries.balance(who.workspace.pk).available, queries.balance(other.workspace.pk).available) == (260, 250)


@pytest.mark.django_db(transaction=True)
def test_two_sends_at_once_grant_once(boss, who):
    once, told, barrier = uuid.uuid4(), [], threading.Barrier(4)

    def send() -> None:
        barrier.wait()
        told.append(granting.give(who.workspace, boss, amount=7, reason="race", once=once))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False, False, False, True]
    assert queries.balance(who.workspace.pk).available == 17
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": ""},
        {"amount": "0"},
        {"amount": "-5"},
        {"amount": "1000001"},
        {"amount": "1.5"},
        {"amount": "1e3"},
        {"amount": "many"},
        {"amount": "9" * 400},
        {"reason": ""},
        {"reason": "   "},
        {"reason": "x" * 201},
        {"reason": "a\0b"},
        {"once": ""},
        {"once": "1"},
    ],
)
def test_a_bad_form_grants_nothing_and_says_so(browser, who, changed):
    response = browser.post(address(who), form(**changed))
    assert response.status_code == 400
    assert "Nothing was granted." in response.content.decode()
    assert "errorlist" in response.content.decode()
    assert queries.balance(who.workspace.pk).available == 10
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("amount", ["1", "1000000"])
def test_the_bounds_are_within(browser, who, amount):
    assert browser.post(address(who), form(amount=amount)).status_code == 302
    assert queries.balance(who.workspace.pk).available == 10 + int(amount)


def test_nobody_else_grants(who):
    for client in (Client(), browser_of(who.user)):
        assert client.post(address(who), form()).status_code in {302, 404}
    assert queries.balance(who.workspace.pk).available == 10


def test_a_form_from_elsewhere_grants_nothing(boss, who):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(boss, backend=BACKEND)
    assert strict.post(address(who), form()).status_code == 403
    assert queries.balance(who.workspace.pk).available == 10


def test_a_workspace_that_is_not_there_gets_nothing(browser):
    assert browser.post(f"/staff/accounts/workspace/{uuid.uuid4()}/grant/", form()).status_code == 404
    assert not CreditGrant.objects.exists()
