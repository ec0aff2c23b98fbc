"""A person with a key, and a stranger. Models are imported late: pytest reads this before Django is set up."""

import pytest


@pytest.fixture
def who():
    from tests import world

    return world.person(credits=100)


@pytest.fixture
def caller(who):
    from tests.api import callers

    return callers.Caller(who)


@pytest.fixture
def stranger():
    from tests import world
    from tests.api import callers

    return callers.Caller(world.person(credits=100))
