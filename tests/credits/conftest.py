"""What the ledger's tests share: a person, and the proof after each test that asks for it."""

import pytest


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
