"""Many at once on one workspace, each with a connection of its own: what happens once happens once, and nothing is lost."""

import concurrent.futures
import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction

from gesso.accounts import workspaces
from gesso.core import catalog
from gesso.credits import allowances, ledger
from gesso.credits.models import CreditAccount, CreditGrant, CreditHold
from tests import world
from tests.credits.books import buckets, give, hold, money, movements, take_back

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("right_books")]

ROUNDS = 6


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """Do all of them in the same moment; returns their answers or the errors they raised, in order."""
    start = threading.Barrier(len(deeds))

    def do(deed: Callable[[], object]) -> object:
        try:
            connection.ensure_connection()
            start.wait(60)
            return deed()
        except (ledger.InsufficientCredits, ledger.InDebt, ledger.HoldClosed, IntegrityError) as error:
            return error
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))


def refusals(answers: list[object]) -> list[type]:
    return [type(answer) for answer in answers if isinstance(answer, Exception)]


def test_fifty_holds_at_once_with_credit_for_ten(who: world.Person) -> None:
    for _ in range(2):  # two lots, so that some holds have two parts
        give(who, 15)
    answers = at_once(*[partial(hold, who, 3)] * 50)
    assert refusals(answers) == [ledger.InsufficientCredits] * 40
    assert money(who) == (0, 30, 0)
    assert CreditHold.objects.count() == 10


def test_holds_of_many_sizes_never_take_more_than_there_is(who: world.Person) -> None:
    give(who, 50)
    answers = at_once(*[partial(hold, who, size) for size in range(1, 21)])
    held = sum(answer.amount for answer in answers if isinstance(answer, CreditHold))
    assert money(who) == (50 - held, held, 0)
    assert 50 - held < min(20, max(answer.needed for answer in answers if isinstance(answer, Exception)))


def test_one_reference_is_held_once(who: world.Person) -> None:
    give(who, 100)
    for number in range(ROUNDS):
        attempt = partial(ledger.hold, who.workspace.id, amount=2, reference=f"work:{number}")
        assert refusals(at_once(*[attempt] * 3)) == [IntegrityError] * 2
    assert money(who) == (100 - 2 * ROUNDS, 2 * ROUNDS, 0)


def test_a_hold_is_settled_once(who: world.Person) -> None:
    give(who, 100)
    spent = 0
    for _ in range(ROUNDS):
        number = hold(who, 5).id
        answers = at_once(*[partial(ledger.settle, number, captured=captured) for captured in (0, 2, 5)])
        assert refusals(answers) == [ledger.HoldClosed] * 2
        (won,) = (answer for answer in answers if isinstance(answer, ledger.Settlement))
        spent += won.captured
    assert money(who) == (100 - spent, 0, 0)


def test_a_pack_is_refunded_while_it_is_being_held(who: world.Person) -> None:
    for _ in range(ROUNDS):
        lot = give(who, 10, "pack")
        held, revoked = at_once(partial(hold, who, 10), partial(take_back, lot))
        if isinstance(held, CreditHold):  # the hold came first
            assert revoked == ledger.Revocation(revoked=0, debt=10)
            assert money(who) == (0, 10, 10)
            ledger.settle(held.id, captured=0)
            assert buckets(lot) == (0, 0, 10, 0, 0)
        else:
            assert type(held) is ledger.InsufficientCredits
            assert revoked == ledger.Revocation(revoked=10, debt=0)
        assert money(who) == (0, 0, 0)


def test_one_payment_is_granted_once(who: world.Person) -> None:
    for number in range(ROUNDS):
        attempt = partial(ledger.grant, who.workspace.id, source="pack", amount=10, reference=f"order:{number}")
        answers = at_once(*[attempt] * 4)
        assert refusals(answers) == []
        assert len({answer.id for answer in answers if isinstance(answer, CreditGrant)}) == 1
    assert movements(who) == [("grant", 10)] * ROUNDS


def test_one_refund_is_taken_once(who: world.Person) -> None:
    lot = give(who, 10, "pack")
    ledger.settle(hold(who, 4).id, captured=4)
    answers = at_once(*[lambda: ledger.revoke(lot.id, reference="refund", reason="", actor="")] * 4)
    assert sorted((answer.revoked, answer.debt) for answer in answers) == [(0, 0)] * 3 + [(6, 4)]  # type: ignore[attr-defined]


def test_one_return_is_given_once(who: world.Person) -> None:
    give(who, 10)
    held = hold(who, 10)
    ledger.settle(held.id, captured=10)
    answers = at_once(*[lambda: ledger.give_back(held.id, amount=4, reference="broken", reason="")] * 4)
    assert sorted(answers) == [0, 0, 0, 4]  # type: ignore[type-var]
    assert money(who) == (4, 0, 0)


def test_the_first_grants_of_a_workspace_make_one_account(who: world.Person) -> None:
    answers = at_once(*[lambda: give(who, 1)] * 10)
    assert refusals(answers) == []
    assert CreditAccount.objects.filter(workspace=who.workspace).count() == 1
    assert money(who) == (10, 0, 0)


def test_the_days_credits_come_once(who: world.Person) -> None:
    workspaces.verify_email(who.user)
    assert refusals(at_once(*[lambda: allowances.ensure(who.workspace)] * 10)) == []
    assert money(who) == (catalog.current().credits.daily, 0, 0)


def test_two_workspaces_do_not_wait_for_each_other(who: world.Person) -> None:
    """A ledger write locks its own workspace only: another's goes through while the first is still open."""
    other = world.person()
    give(who, 5)
    give(other, 5)
    with transaction.atomic():
        hold(who, 5)
        (answer,) = at_once(lambda: hold(other, 5))
    assert isinstance(answer, CreditHold)
