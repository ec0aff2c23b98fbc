"""Prices below cost are found, said, and never refused."""

import pytest

from gesso.core import catalog
from gesso.generations import underpriced

CREDIT = 28_000  # the cheapest is in the plan Team: $42.00 for 1,500, 2.8 cents


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "catalog.toml"
        path.write_text(text)
        rules = catalog.load(path)
        return rules, rules.usable(openai=True)

    return load


def test_the_shipped_prices_bear_their_costs():
    rules = catalog.load(None)
    assert underpriced.credit(rules) == CREDIT
    assert underpriced.find(rules, rules.models) == []
    assert underpriced.warnings(rules, rules.models) == []


def test_a_price_below_the_dearest_size_is_found(load):
    rules, models = load("[prices]\nhigh = 7\n")  # 19.6 cents; GPT Image 2 costs up to 21.072, 1.5 up to 19.968
    found = underpriced.find(rules, models)
    assert [(below.model.id, below.quality, below.value, below.cost, below.measured) for below in found] == [
        ("gpt-image-2", "high", 196_000, 210_720, False), ("gpt-image-1.5", "high", 196_000, 199_680, False),
    ]  # fmt: skip
    assert found[0].sentence("usd") == (
        "GPT Image 2, high: an image is sold for 7 credits, at least $0.1960, and may cost by the table of the"
        " catalogue $0.2107."
    )


def test_the_price_that_is_the_cost_bears_it(load):
    packs = '[[packs]]\nid = "even"\ncredits = 1000\nprice = {price}\n'
    rules, models = load(packs.format(price=1317))  # 1.317 cents: 16 are 21.072 exactly, and 4 are 5.268
    assert underpriced.find(rules, models) == []
    rules, models = load(packs.format(price=1316))
    assert [(below.quality, below.value) for below in underpriced.find(rules, models)] == [
        ("medium", 52_640), ("high", 210_560),
    ]  # fmt: skip


def test_what_was_measured_counts_before_the_table(load):
    rules, models = load("")
    measured = {("gpt-image-2", "low"): 28_001, ("gpt-image-2", "high"): 1, ("sandbox", "low"): 10**9}
    (below,) = underpriced.find(rules, models, measured)
    assert (below.quality, below.cost, below.measured) == ("low", 28_001, True)
    assert "1 credit, at least $0.0280, and cost on average in the last 30 days $0.0280." in below.sentence("usd")
    rules, models = load("[prices]\nhigh = 1\n")
    assert underpriced.find(rules, models, {("gpt-image-2", "high"): 1, ("gpt-image-1.5", "high"): 1}) == []


def test_a_multiplied_price_is_compared(load):
    rules, models = load("[prices]\nhigh = 4\n")
    twice = [model.model_copy(update={"price_multiplier": 2}) for model in models]
    assert len(underpriced.find(rules, models)) == 2
    assert underpriced.find(rules, twice) == []  # 8 x 2.8 cents


def test_unknown_costs_and_no_offers_say_nothing(load):
    rules, models = load("[prices]\nhigh = 1\n")
    assert underpriced.find(rules.model_copy(update={"costs": {}}), models) == []
    unsold = rules.model_copy(update={"packs": (), "plans": ()})
    assert underpriced.credit(unsold) is None
    assert underpriced.find(unsold, models) == []


def test_another_currency_needs_its_rate(load):
    rules, models = load('currency = "eur"\n')
    assert underpriced.find(rules, models) == []
    (said,) = underpriced.warnings(rules, models)
    assert "prices in EUR" in said
    assert "billing.usd_rate" in said
    # At 2 euros for a dollar a high picture costs 42.144 cents and brings 44.8; at 2.2 it costs 46.3584.
    assert underpriced.warnings(*load('currency = "eur"\n[billing]\nusd_rate = "2"')) == []
    medium, high, low = underpriced.warnings(*load('currency = "eur"\n[billing]\nusd_rate = "2.2"'))
    assert "€0.1120" in medium
    assert "€0.1159" in medium
    assert "€0.4480" in high
    assert "€0.4636" in high
    assert low.startswith("GPT Image 1.5, low: an image is sold for 1 credit, at least €0.0280")
