"""One fake provider for every instance of this directory."""

import pytest

from tests.fakes import provider


@pytest.fixture(scope="module")
def one_fake():
    with provider.running() as running:
        yield running


@pytest.fixture
def fake(one_fake):
    one_fake.forget()
    return one_fake
