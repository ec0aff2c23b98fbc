"""The chart: bars to scale, steps without anything, and the same in words."""

import datetime

import pytest

from gesso.staff import margin_chart
from gesso.staff.margin_figures import Figures

DAYS = [datetime.date(2026, 11, day) for day in range(1, 31)]
MONTHS = [datetime.date(2026, month, 1) for month in range(1, 13)]
DOLLAR = 1_000_000


def test_nothing_draws_nothing():
    assert margin_chart.draw(DAYS, {}, "day", "usd").bars == []
    assert margin_chart.draw(DAYS, {DAYS[0]: Figures(images=3)}, "day", "usd").bars == []


def test_bars_are_to_scale():
    chart = margin_chart.draw(
        MONTHS, {MONTHS[2]: Figures(earned=5 * DOLLAR, refunds=DOLLAR, cost=2 * DOLLAR)}, "month", "usd"
    )
    assert [mark.words for mark in chart.marks] == ["$0.00", "$1.00", "$2.00", "$3.00", "$4.00"]
    march = chart.bars[2]
    high = margin_chart.BASE - margin_chart.TOP
    assert (march.kept_height, march.cost_height) == (str(high), str(high // 2))
    assert (march.kept_y, march.cost_y) == (str(margin_chart.TOP), str(margin_chart.TOP + high // 2))
    assert march.words == "March 2026: $4.00 earned, $2.00 cost"
    assert chart.label == "Earned and provider cost, each month: $4.00 earned, $2.00 cost."
    assert {(bar.kept_height, bar.cost_height) for bar in chart.bars if bar is not march} == {("", "")}
    assert [bar.label for bar in chart.bars][:3] == ["Jan", "Feb", "Mar"]


def test_the_smallest_bar_is_seen_and_labels_have_room():
    chart = margin_chart.draw(DAYS, {DAYS[0]: Figures(earned=10**12), DAYS[29]: Figures(cost=1)}, "day", "usd")
    assert chart.bars[29].cost_height == "2"
    assert [bar.label for bar in chart.bars if bar.label] == ["1", "4", "7", "10", "13", "16", "19", "22", "25", "28"]
    assert float(chart.bars[29].cost_x) + float(chart.bars[29].width) <= margin_chart.WIDTH


@pytest.mark.parametrize("most", [1, 3, 7, 99, 101, 999_999, 1_000_000, 4_000_001, 123_456_789_012])
def test_a_scale_is_round_and_reaches_the_highest(most):
    scale = margin_chart._scale(most)
    assert scale[0] == 0
    assert scale[-2] < most <= scale[-1]
    assert 2 <= len(scale) <= 5
    assert str(scale[1]).rstrip("0") in {"1", "2", "5"}
