"""The statement: whatever happened, each line follows from the one before and the last one is the wallet."""

import contextlib
from collections.abc import Iterator

import hypothesis
import pytest
from django.db import transaction
from hypothesis import strategies as st

from gesso.credits import ledger, queries
from gesso.credits.models import CreditGrant, CreditHold
from tests import world
from tests.credits.books import fresh, give, hold, money, take_back
from tests.credits.clocks import START, Clock

pytestmark = pytest.mark.django_db

VERBS = ("give", "give for a while", "pack", "hold", "hold", "settle", "cancel", "give back", "take back", "wait")
MOVES = {  # what each kind does to what can be spent
    "grant": 1, "hold": -1, "capture": 0, "release": 1, "return": 1, "expire": -1, "revoke": -1, "debt": 0, "repay": -1,
}  # fmt: skip
deeds = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(1, 30)), min_size=1, max_size=20)
fair = hypothesis.settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)


def perform(who: world.Person, time: Clock, verb: str, size: int) -> None:
    """Do one deed; what the ledger refuses is left undone."""
    newest_hold = CreditHold.objects.filter(workspace=who.workspace).order_by("-id").first()
    pack = CreditGrant.objects.filter(workspace=who.workspace, source="pack").order_by("-id").first()
    with contextlib.suppress(ledger.InsufficientCredits, ledger.InDebt, ledger.HoldClosed):
        match verb:
            case "give":
                give(who, size)
            case "give for a while":
                give(who, size, "promo", expires_at=time.ahead(hours=size))
            case "pack":
                give(who, size, "pack")
            case "hold":
                hold(who, size)
            case "wait":
                time.later(hours=size)
            case "settle" | "cancel" if newest_hold:
                ledger.settle(newest_hold.id, captured=newest_hold.amount * size // 30, by_member=verb == "cancel")
            case "give back" if newest_hold:
                ledger.give_back(newest_hold.id, amount=size, reference=fresh("back"), reason="a test")
            case "take back" if pack:
                take_back(pack)


@contextlib.contextmanager
def history(who: world.Person, time: Clock, done: list[tuple[str, int]]) -> Iterator[None]:
    """Live through the deeds, and forget them afterwards."""
    time.moment = START
    with transaction.atomic():
        for verb, size in done:
            perform(who, time, verb, size)
        ledger.expire_due(who.workspace.id)
        yield
        transaction.set_rollback(True)


def whole(who: world.Person) -> list[queries.StatementLine]:
    page = queries.statement(who.workspace.id, limit=queries.LARGEST_PAGE)
    assert page.next_cursor is None
    return page.lines


@fair
@hypothesis.given(done=deeds)
def test_each_line_follows_and_the_last_is_the_wallet(
    done: list[tuple[str, int]], who: world.Person, time: Clock
) -> None:
    with history(who, time, done):
        balance = 0
        for line in reversed(whole(who)):
            assert line.amount == 0 or (line.amount > 0) == (MOVES[line.kind] > 0)
            assert bool(line.amount) == bool(MOVES[line.kind])
            balance += line.amount
            assert line.balance_after == balance >= 0
        assert balance == money(who)[0]
        moments = [line.at for line in whole(who)]
        assert moments == sorted(moments, reverse=True)


@fair
@hypothesis.given(done=deeds, limit=st.integers(1, 12))
def test_pages_are_the_whole(done: list[tuple[str, int]], limit: int, who: world.Person, time: Clock) -> None:
    with history(who, time, done):
        lines, cursor = [], None
        while True:
            page = queries.statement(who.workspace.id, cursor=cursor, limit=limit)
            assert len(page.lines) <= limit
            lines += page.lines
            if (cursor := page.next_cursor) is None:
                break
            assert len(page.lines) == limit
        assert lines == whole(who)


@pytest.fixture
def other() -> world.Person:
    return world.person()


@fair
@hypothesis.given(done=deeds, theirs=deeds)
def test_nobody_sees_another_workspace(
    done: list[tuple[str, int]], theirs: list[tuple[str, int]], who: world.Person, other: world.Person, time: Clock
) -> None:
    with history(who, time, done):
        before, wallet = whole(who), money(who)
        with history(other, time, theirs):
            assert not {line.id for line in whole(who)} & {line.id for line in whole(other)}
            assert queries.statement(who.workspace.id, cursor=10**12, limit=200).lines == before
        time.moment = max([START, *(line.at for line in before)])
        assert (whole(who), money(who)) == (before, wallet)


def test_lines_that_come_between_pages_shift_nothing(who: world.Person) -> None:
    for _ in range(6):
        give(who, 1)
    first = queries.statement(who.workspace.id, limit=3)
    give(who, 1)
    second = queries.statement(who.workspace.id, cursor=first.next_cursor, limit=3)
    assert [line.balance_after for line in [*first.lines, *second.lines]] == [6, 5, 4, 3, 2, 1]
    assert second.next_cursor is None


def test_a_page_has_bounds(who: world.Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LARGEST_PAGE", 5)
    for _ in range(7):
        give(who, 1)
    sizes = [len(queries.statement(who.workspace.id, limit=limit).lines) for limit in (-5, 0, 1, 5, 6, 10**9)]
    assert sizes == [1, 1, 1, 5, 5, 5]


def test_a_line_names_the_work_or_the_payment(who: world.Person) -> None:
    ledger.grant(who.workspace.id, source="pack", amount=9, reference="order:1", reason="A pack of 9")
    held = ledger.hold(who.workspace.id, amount=4, reference="generation")
    ledger.settle(held.id, captured=3)
    ledger.give_back(held.id, amount=1, reference="withdrawn:1", reason="The picture proved broken.")
    assert [
        (line.kind, line.source, line.amount, line.balance_after, line.reference, line.reason) for line in whole(who)
    ] == [
        ("return", "pack", 1, 7, "withdrawn:1", "The picture proved broken."),
        ("release", "pack", 1, 6, "generation", ""),
        ("capture", "pack", 0, 5, "generation", ""),
        ("hold", "pack", -4, 5, "generation", ""),
        ("grant", "pack", 9, 9, "order:1", "A pack of 9"),
    ]
