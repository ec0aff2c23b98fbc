"""What is said at a start and refused by nobody."""

import dataclasses

import structlog.testing

from gesso.config import checks
from gesso.core import catalog


def said() -> list[str]:
    with structlog.testing.capture_logs() as lines:
        checks.advise()
    assert {line["event"] for line in lines} <= {"price_below_cost"}
    assert {line["log_level"] for line in lines} <= {"warning"}
    return [line["sentence"] for line in lines]


def test_a_price_below_cost_is_a_warning_while_its_model_can_be_asked(settings, monkeypatch):
    made = catalog.current()
    made = made.model_copy(update={"prices": made.prices.model_copy(update={"high": 1})})
    monkeypatch.setattr(catalog, "current", lambda: made)
    assert said() == []
    settings.GESSO = dataclasses.replace(settings.GESSO, openai_api_key="sk-test")
    checks.require()
    assert [sentence.partition(":")[0] for sentence in said()] == ["GPT Image 2, high", "GPT Image 1.5, high"]


def test_shipped_prices_are_nothing_to_talk_about(settings):
    settings.GESSO = dataclasses.replace(settings.GESSO, openai_api_key="sk-test")
    assert said() == []


def test_a_missing_rate_is_said_once(settings, monkeypatch):
    made = catalog.current().model_copy(update={"currency": "eur"})
    monkeypatch.setattr(catalog, "current", lambda: made)
    assert said() == []
    settings.GESSO = dataclasses.replace(settings.GESSO, openai_api_key="sk-test")
    (sentence,) = said()
    assert "billing.usd_rate" in sentence
