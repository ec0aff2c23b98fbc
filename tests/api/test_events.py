"""The event stream by key: what it says, what it says again after a pause, when it ends."""

import asyncio
import json
import time

import pytest

from gesso.accounts import api_keys, workspaces
from gesso.api import events, keys
from gesso.core import transactions
from gesso.generations import broadcast, lifecycle
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def open_hub():
    broadcast.HUB.closed = False
    yield
    broadcast.HUB.closed = False
    assert broadcast.HUB._subscriptions == {}


def told(lines: list[bytes]) -> list[tuple[str, dict]]:
    """The events in what was sent, without signs of life."""
    found = []
    for block in b"".join(lines).decode().split("\n\n"):
        words = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in words:
            found.append((words["event"], json.loads(words["data"])))
    return found


def listen(who, caller, act=None, *, last=""):
    """Everything that the stream says while `act` runs, until the hub closes."""
    membership = workspaces.current(who.user, None)

    async def run():
        said = []
        known = keys.Caller(who.workspace, who.user, membership, caller.secret)
        async for line in events._lines(known, last):
            said.append(line)
            if len(said) == 2 and act:
                for notice in await transactions.in_thread(act):
                    broadcast.HUB._tell(json.dumps({"w": str(who.workspace.id), **notice}))
            if len(said) == 2:
                broadcast.HUB.close()
        return said

    return asyncio.run(run())


def test_a_change_is_told_with_its_state_as_it_is_now(who, caller, stranger):
    def act():
        made = world.submit(who, quality="low")
        world.submit(stranger.who, quality="low")
        lifecycle.cancel(who.workspace, made.id, who.user)
        numbers.append(str(made.id))
        return [{"k": "generation", "g": str(made.id)}] * 3 + [{"k": "balance"}]

    numbers = []
    said = told(listen(who, caller, act))
    assert said == [
        ("generation", {"id": numbers[0], "state": "canceled", "failure_code": "canceled"}),
        ("balance", {"available": 100, "held": 0, "debt": 0}),
    ]


def test_what_another_workspace_does_is_not_heard(who, caller, stranger):
    theirs = world.submit(stranger.who, quality="low")
    said = told(listen(who, caller, lambda: [{"k": "generation", "g": str(theirs.id)}]))
    assert said == []


def test_after_a_pause_what_changed_is_sent_again(who, caller, stranger):
    made = world.submit(who, quality="low")
    world.submit(stranger.who, quality="low")
    now = int(time.time() * 1000)
    balance = ("balance", {"available": 99, "held": 1, "debt": 0})
    again = [("generation", {"id": str(made.id), "state": "queued", "failure_code": None}), balance]
    assert told(listen(who, caller, last=str(now))) == again
    assert told(listen(who, caller, last=str(now + 59_000))) == again
    assert told(listen(who, caller, last=str(now + 120_000))) == [balance]
    assert told(listen(who, caller)) == []


@pytest.mark.parametrize("last", ["x", "-99999999999999999999", "1e9", "9" * 30])
def test_a_strange_last_id_means_look_at_everything(who, caller, last):
    assert told(listen(who, caller, last=last)) == [("resync", {})]


def test_too_much_to_repeat_means_look_at_everything(who, caller, monkeypatch):
    monkeypatch.setattr(events, "REPLAYED_MOST", 1)
    for _ in range(2):
        world.submit(who, quality="low")
    assert told(listen(who, caller, last=str(int(time.time() * 1000)))) == [("resync", {})]


def test_a_revoked_key_ends_the_stream(who, caller, monkeypatch):
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.0)

    def act():
        assert api_keys.revoke(who.workspace, caller.key.id)
        made = world.submit(who, quality="low")
        return [{"k": "generation", "g": str(made.id)}]

    assert told(listen(who, caller, act)) == []


def test_the_stream_answers_with_the_right_type_and_only_to_a_key(caller):
    answer = caller.get("/api/events")
    assert answer["Content-Type"] == "text/event-stream"
    assert answer["Cache-Control"] == "no-store"
    assert caller.client.get("/api/events").status_code == 401


def test_a_quiet_stream_gives_signs_of_life(who, caller, monkeypatch):
    monkeypatch.setattr(events, "BEAT_SECONDS", 0.05)
    known = keys.Caller(who.workspace, who.user, workspaces.current(who.user, None), caller.secret)

    async def run():
        lines = events._lines(known, "")
        said = [await anext(lines) for _ in range(4)]
        await lines.aclose()
        return said

    opening, number, *beats = asyncio.run(run())
    assert opening.startswith(b"retry: ")
    assert number.startswith(b"id: ")
    assert beats == [b": alive\n\n"] * 2
