"""What the ledger's tests share: a person, and the proof after each test that asks for it."""

import pytest
from django.db import transaction


@pytest.fixture
def who() -> object:
    from tests import world  # models can't be imported before the settings are there

    return world.person()


@pytest.fixture
def right_books(who: object) -> object:
    """After the test the proof finds nothing, and the checks that wait for the commit are content."""
    from tests.credits import books

    yield
    books.check()


@pytest.fixture(autouse=True)
def verbs_in_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `hold` and `settle` refuse ends their caller's transaction: here that is one of their own, not the test's."""
    from gesso.credits import ledger

    for verb in (ledger.hold, ledger.settle):
        monkeypatch.setattr(ledger, verb.__name__, transaction.atomic(verb))
