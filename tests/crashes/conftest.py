"""One install for each module of tests, one fake provider for all; each test begins with everything well."""

import pytest

from tests import stand
from tests.fakes import provider


@pytest.fixture(scope="session")
def shared_fake():
    with provider.running() as running:
        yield running


@pytest.fixture
def fake(shared_fake):
    shared_fake.forget()
    return shared_fake


@pytest.fixture(scope="module")
def install(shared_fake, places):
    data_dir = places()
    with stand.standing(data_dir, shared_fake, stand.catalogue(data_dir)) as made:
        yield made


@pytest.fixture
def studio(install, shared_fake):
    """The module's install, well and with nothing to do; its provider behaves again."""
    shared_fake.control(latency=0, faults=[], moderation_latency=0, moderation_faults=[])
    install.well()
    return install
