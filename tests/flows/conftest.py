"""The install that the tests of crashes use, for flows that need a whole one."""

from tests.crashes.conftest import fake, install, shared_fake, studio  # noqa: F401 (fixtures are found by their names)
