"""What is said to whoever listens: each line of a timeline and each entry of the ledger, and nothing that was undone."""

import contextlib
from collections.abc import Iterator

import orjson
import psycopg
import pytest
from django.db import transaction

from gesso.credits import ledger
from gesso.generations import broadcast, settlement
from gesso.generations.models import Generation, GenerationEvent, Output
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard() -> Iterator["Heard"]:
    words = broadcast.connection_words()
    with psycopg.connect(**words, autocommit=True) as line:
        line.execute(f"LISTEN {broadcast.CHANNEL}")
        yield Heard(line)


class Heard:
    """A listener; `so_far` returns what it heard since it was asked last."""

    def __init__(self, line: psycopg.Connection) -> None:
        self._line = line

    def so_far(self) -> list[dict[str, str]]:
        self._line.execute("SELECT 1")  # what was committed before this statement comes with its answer
        return [orjson.loads(notify.payload) for notify in self._line.notifies(timeout=0)]


def test_every_line_of_a_timeline_is_a_notice(heard: Heard) -> None:
    who = world.person(credits=10)
    heard.so_far()
    generation = world.submit(who)
    about_it = {"w": str(who.workspace.id), "k": "generation", "g": str(generation.id)}
    balance = {"w": str(who.workspace.id), "k": "balance"}
    said = heard.so_far()
    assert sorted(said, key=lambda words: words["k"]) == [balance, about_it]
    ended = world.drive(generation, world.ScriptedProvider())
    said = heard.so_far()
    lines = GenerationEvent.objects.filter(generation=ended).exclude(kind="submitted").count()
    # The last delivery and the end are one commit, of which the same notice comes once.
    assert (said.count(about_it), said.count(balance), len(said)) == (lines - 1, 1, lines)


def test_every_movement_of_credits_is_a_notice_also_one_that_nobody_asked_for(heard: Heard) -> None:
    who, other = world.person(), world.person()
    heard.so_far()
    grant = ledger.grant(who.workspace.id, source="promo", amount=5, reference="notices:1")
    assert heard.so_far() == [{"w": str(who.workspace.id), "k": "balance"}]
    ledger.revoke(grant.id, reference="notices:2", reason="taken back", actor="test")
    ledger.grant(other.workspace.id, source="staff", amount=5, reference="notices:3")
    assert [words["w"] for words in heard.so_far()] == [str(who.workspace.id), str(other.workspace.id)]


def test_a_withdrawn_picture_is_heard_of(heard: Heard) -> None:
    ended = world.drive(world.submit(world.person(credits=10)), world.ScriptedProvider())
    heard.so_far()
    output = Output.objects.filter(generation=ended).first()
    assert output
    assert output.image_id
    assert settlement.withdraw(output.image_id)
    assert sorted(words["k"] for words in heard.so_far()) == ["balance", "generation"]


def test_what_is_undone_is_never_said(heard: Heard) -> None:
    who = world.person(credits=10)
    heard.so_far()
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        world.submit(who)
        raise ZeroDivisionError
    assert not Generation.objects.filter(workspace=who.workspace).exists()
    assert heard.so_far() == []
