"""The event stream: what it says, when it resyncs, when it ends, and that somebody is known to look."""

import asyncio
import datetime
import json

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from gesso.core import clock, transactions
from gesso.credits import ledger
from gesso.generations import broadcast
from gesso.generations.models import Watch
from gesso.web import stream
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def who():
    return world.person()


@pytest.fixture
def browser(who):
    client = Client()
    client.force_login(who.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def listen(who, key: str, act, *, missed: bool = False, shown: str = "", most: int = 20) -> list[str]:
    """Everything the stream says while `act` (given the hub's own way to speak) runs, until it ends."""

    async def run() -> list[str]:
        said: list[str] = []
        lines = stream._lines(who.workspace.id, key, missed=missed, shown=shown)
        async for line in lines:
            said.append(line)
            if len(said) == 2:  # the opening and the first sign of life: it listens now
                await act(broadcast.HUB._tell)
            if len(said) >= most:
                break
        await lines.aclose()
        return said

    return asyncio.run(run())


async def end(tell):
    broadcast.HUB.close()


@pytest.fixture(autouse=True)
def open_hub():
    broadcast.HUB.closed = False
    yield
    broadcast.HUB.closed = False
    assert broadcast.HUB._subscriptions == {}


def notice(who, **words) -> str:
    return json.dumps({"w": str(who.workspace.id), **words})


def test_it_says_what_changed_and_ends_when_the_process_does(who, browser):
    async def act(tell):
        tell(notice(who, k="generation", g="one"))
        tell(notice(who, k="preview", g="one", d=[0, 2]))
        tell(notice(who, k="balance"))
        tell(notice(world_other, k="generation", g="foreign"))
        broadcast.HUB.close()

    world_other = world.person()
    said = listen(who, browser.session.session_key, act)
    assert [line.split("\n", 1)[1] for line in said[2:]] == [
        "event: changed\ndata: one\n\n",
        "event: preview\ndata: one 0 2\n\n",
        "event: balance\ndata: 1\n\n",
    ]
    assert all(line.startswith("id: ") for line in said[2:])


@pytest.mark.parametrize(("missed", "resync"), [(False, False), (True, True)])
def test_a_page_that_may_have_missed_something_resyncs(who, browser, missed, resync):
    said = listen(who, browser.session.session_key, end, missed=missed)
    assert ("event: resync" in said[0]) is resync
    assert said[0].startswith("retry: 1000\nid: ")


def test_a_page_that_shows_another_balance_hears_so_at_once(who, browser):
    key, shown = browser.session.session_key, str(world.available(who))
    assert "event: balance" not in "".join(listen(who, key, end, shown=shown))
    ledger.grant(who.workspace.id, source="staff", amount=5, reference="test", reason="a test")
    assert "event: balance" in listen(who, key, end, shown=shown)[1]


def test_somebody_who_looks_is_noted(who, browser):
    listen(who, browser.session.session_key, end)
    until = Watch.objects.get(workspace=who.workspace).until
    assert until > clock.now() + datetime.timedelta(seconds=30)


def test_a_stream_ends_when_its_session_does(who, browser, monkeypatch):
    monkeypatch.setattr(stream, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.1)
    key = browser.session.session_key

    async def sign_out(tell):
        await transactions.in_thread(SessionStore(key).delete)

    said = listen(who, key, sign_out)
    assert len(said) < 8


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "another one"}])
def test_a_stream_ends_when_its_person_may_no_longer_come_in(who, browser, change):
    key = browser.session.session_key
    assert stream._still_welcome(who.workspace.id, key)
    for name, value in change.items():
        setattr(who.user, name, value)
    who.user.save()
    assert not stream._still_welcome(who.workspace.id, key)


def test_a_stream_is_only_for_members(who, browser):
    assert not stream._still_welcome(world.person().workspace.id, browser.session.session_key)
    assert Client().get("/events").status_code == 302


def test_the_view_streams_without_a_cache(browser):
    response = browser.get("/events")
    assert response.streaming
    assert (response["Content-Type"], response["Cache-Control"]) == ("text/event-stream", "no-store")
    response.close()
