"""How many round trips to the database a hold and its end cost: bounds, so that nobody makes them dearer unnoticed.

Two of each are the savepoint around it: that of `grant` is its own, that of `hold` and `settle` the tests'.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gesso.credits import ledger
from tests import world
from tests.credits.books import give, hold

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("right_books")]

GRANT, HOLD, SETTLE = 8, 9, 10  # of one grant
HOLD_EACH, SETTLE_EACH = 1, 2  # for each further grant that has a part


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_a_hold_and_its_end_cost_a_bounded_number_of_queries(parts: int, who: world.Person) -> None:
    for _ in range(parts):
        give(who, 2)
    with CaptureQueriesContext(connection) as held:
        number = hold(who, 2 * parts).id
    with CaptureQueriesContext(connection) as settled:
        ledger.settle(number, captured=parts)
    assert len(held) <= HOLD + HOLD_EACH * (parts - 1)
    assert len(settled) <= SETTLE + SETTLE_EACH * (parts - 1)


def test_a_grant_costs_a_bounded_number_of_queries(who: world.Person) -> None:
    give(who, 1)
    with CaptureQueriesContext(connection) as granted:
        give(who, 1)
    assert len(granted) <= GRANT


def test_a_long_history_costs_nothing_more(who: world.Person) -> None:
    give(who, 1000)
    for _ in range(20):
        ledger.settle(hold(who, 2).id, captured=2)
    with CaptureQueriesContext(connection) as held:
        number = hold(who, 2).id
    with CaptureQueriesContext(connection) as settled:
        ledger.settle(number, captured=2)
    assert (len(held), len(settled)) <= (HOLD, SETTLE)
