"""The same fake provider as for images: it answers moderation as well."""

from tests.providers.conftest import fake, running_fake

__all__ = ["fake", "running_fake"]
