"""One fake provider for the whole run of a worker, forgetful between tests."""

import pytest

from tests.fakes import provider


@pytest.fixture(scope="session")
def running_fake():
    with provider.running() as fake:
        yield fake


@pytest.fixture
def fake(running_fake):
    running_fake.forget()
    return running_fake
