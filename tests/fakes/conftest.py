"""The fake provider of the tests of providers, to be tested itself."""

from tests.providers.conftest import fake, running_fake

__all__ = ["fake", "running_fake"]
