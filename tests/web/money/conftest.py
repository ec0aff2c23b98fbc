"""Somebody at the counter of an install that sells through the test checkout, and one that sells through another."""

import pytest


@pytest.fixture(autouse=True)
def ask_at_once(monkeypatch):
    """Let pages ask the gateway each time; the pause between two looks has a test of its own."""
    from gesso.web.money import order

    monkeypatch.setattr(order, "ASK_SECONDS", 0.0)


@pytest.fixture
def counter():
    from tests.web.money import counter as shop

    return shop.stand()


@pytest.fixture
def till(monkeypatch):
    """A gateway elsewhere, the only one of this install."""
    from tests.web.money import counter as shop

    gateway = shop.Scripted()
    with shop.tills(monkeypatch, gateway):
        yield gateway
