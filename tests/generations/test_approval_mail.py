"""A team's owner and admins hear by mail that a request waits: once in ten minutes, whatever happens at once."""

import concurrent.futures
import dataclasses

import pytest
from django.core import mail as post
from django.db import connection

from gesso.accounts import mail, teams
from gesso.accounts.models import Membership, User
from gesso.core import ids
from gesso.generations import approvals, submission
from gesso.generations.models import ApprovalRequest
from tests import world
from tests.accounts import crew

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail_at_once(monkeypatch, settings):
    """A mail server is set up; messages leave from the caller's own thread, into Django's test outbox."""
    settings.GESSO = dataclasses.replace(
        settings.GESSO, email_url="smtp://127.0.0.1:25", base_url="https://pictures.example"
    )
    monkeypatch.setattr(mail, "send_soon", lambda message: message.send())


@pytest.fixture
def us() -> crew.Crew:
    return gathered()


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    """Ask in a transaction that stands."""

    def asked(us: crew.Crew, *wanted, **more) -> ApprovalRequest:
        with django_capture_on_commit_callbacks(execute=True):
            return ask(us, *wanted, **more)

    return asked


def gathered() -> crew.Crew:
    made = crew.gather(credits=200)
    teams.ask_above(made.membership("owner"), 10)
    return made


def ask(us: crew.Crew, *wanted, **more) -> ApprovalRequest:
    with pytest.raises(submission.NeedsApproval) as refused:
        submission.submit(us.fresh(), us.user("member"), wanted or [world.wanted(quality="high")], **more)
    return approvals.ask(us.fresh(), us.user("member"), refused.value)


def receivers() -> list[str]:
    return sorted(address for message in post.outbox for address in message.to)


def test_it_says_who_asks_for_what_and_leads_to_the_decision(us, commit):
    User.objects.filter(pk=us.user("member").pk).update(name="Ida\nBcc: eve@example.com")
    us.user("member").refresh_from_db()
    words = "Three pears\n\n" + "on a plate " * 40
    commit(us, *(world.wanted(words, quality="high", aspect_ratio=ratio) for ratio in ("1:1", "4:5")))
    assert receivers() == sorted([us.user("owner").email, us.user("admin").email])
    for message in post.outbox:
        assert len(message.to) == 1 and not message.cc and not message.bcc
        assert message.subject == "Studio Nord: a request waits for approval"
        for part in (
            "Ida Bcc: eve@example.com asks for 2 images in Studio Nord.", "needs 32 credits", "limit of 10, so it waits for an admin:",
            "“Three pears on a plate", "…”", f"https://pictures.example/team/{us.workspace.id}/approvals\n",
        ):  # fmt: skip
            assert part in message.body
        assert len(message.body) < 700


@pytest.mark.parametrize(("minutes", "mails"), [(0, 2), (9, 2), (10, 4), (600, 4)])
def test_a_second_request_is_mailed_after_ten_minutes(us, commit, time, minutes, mails):
    assert commit(us).mailed
    time.later(minutes=minutes)
    assert commit(us).mailed == (mails == 4)
    assert len(receivers()) == mails


def test_each_team_has_its_own_ten_minutes(us, commit):
    commit(us)
    commit(gathered())
    assert len(receivers()) == 4


def test_the_same_request_again_is_mailed_once(us, commit, time):
    number = ids.uuid7()
    commit(us, generation_ids=[number])
    time.later(hours=1)
    commit(us, generation_ids=[number])
    assert len(receivers()) == 2


def test_who_has_no_say_or_no_account_hears_nothing(us, commit):
    Membership.objects.filter(workspace=us.workspace, role="admin").update(role="viewer")
    User.objects.filter(pk=us.user("owner").pk).update(is_active=False)
    commit(us)
    assert receivers() == []


def test_without_a_mail_server_the_request_waits_all_the_same(us, commit, settings):
    settings.GESSO = dataclasses.replace(settings.GESSO, email_url="")
    row = commit(us)
    assert (row.state, row.mailed, receivers()) == ("pending", False, [])
    settings.GESSO = dataclasses.replace(settings.GESSO, email_url="smtp://127.0.0.1:25")
    assert commit(us).mailed


def test_a_request_that_did_not_come_to_be_is_not_mailed(us, django_capture_on_commit_callbacks):
    row = ask(us)
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(submission.IdTaken):
        ask(us, world.wanted("Plums", quality="high"), generation_ids=[row.id])
    assert receivers() == []


@pytest.mark.django_db(transaction=True)
def test_ten_requests_at_once_are_one_mail():
    us = gathered()

    def press(_: int) -> None:
        try:
            ask(us)
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(press, range(10)))
    assert ApprovalRequest.objects.filter(workspace=us.workspace).count() == 10
    assert ApprovalRequest.objects.filter(workspace=us.workspace, mailed=True).count() == 1
    assert len(receivers()) == 2
