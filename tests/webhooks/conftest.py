"""A till that is configured, and the door to the inbox. (Imports wait: this file is read before Django is set up.)"""

import pytest


@pytest.fixture
def till(monkeypatch):
    """The one gateway of this install."""
    from gesso.billing import registry
    from tests.billing.till import Till

    made = Till()
    monkeypatch.setattr(registry, "configured", lambda: {made.name: made})
    return made
