"""The chart's drawing: its scale reaches over every bar, nothing leaves the picture, one credit is seen."""

import datetime

import pytest

from gesso.core import catalog
from gesso.credits import queries
from gesso.web.money import offers, usage

DAY = datetime.date(2026, 5, 21)


def days(*pairs: tuple[int, int]) -> list[queries.DayOfUse]:
    padded = [(0, 0)] * (30 - len(pairs)) + list(pairs)
    return [queries.DayOfUse(DAY - datetime.timedelta(days=29 - n), *pair) for n, pair in enumerate(padded)]


@pytest.mark.parametrize("most", [1, 2, 4, 5, 9, 44, 64, 99, 100, 401, 12_345, 10**6])
def test_the_scale_is_round_and_high_enough(most):
    chart = usage.chart(days((most, 0)))
    values = [int(mark.words.replace(",", "")) for mark in chart.marks]
    assert values[0] == 0 and values[-1] >= most > values[-2] and len(values) <= 5
    assert {value % values[1] for value in values} == {0}
    assert str(values[1])[0] in "125" and not str(values[1])[1:].strip("0")


@pytest.mark.parametrize("pair", [(1, 10_000), (44, 20), (0, 7), (10_000, 1)])
def test_bars_stay_in_the_picture(pair):
    chart = usage.chart(days((3, 0), pair))
    assert len(chart.bars) == 30
    for bar in chart.bars:
        assert float(chart.left) <= float(bar.x) and float(bar.x) + float(bar.width) <= usage.WIDTH
        if bar.height:
            assert float(bar.top) >= usage.TOP - usage.LEAST and float(bar.height) >= usage.LEAST
            assert float(bar.top) + float(bar.height) == pytest.approx(usage.BASE, abs=0.11)
        if bar.back_height:
            assert float(bar.back_top) >= usage.TOP - 2 * usage.LEAST


def test_the_words_say_the_same():
    chart = usage.chart(days((12, 0), (0, 0), (44, 20)))
    assert chart.label == "Credits charged each day, 22 April to 21 May. Most: 44 on 21 May. Total 56."
    assert chart.summary == "56 credits charged, 20 returned"
    assert [(row.day, row.charged, row.returned) for row in chart.rows] == [
        ("21 May", "44", "20"),
        ("19 May", "12", "0"),
    ]
    assert [bar.label for bar in chart.bars if bar.label] == ["23 April", "30 April", "7 May", "14 May", "21 May"]
    assert [bar.today for bar in chart.bars].index(True) == 29


def test_nothing_used_is_no_chart():
    assert usage.chart(days()).bars == []


@pytest.mark.parametrize(
    ("lot", "words"),
    [(200, "50 Medium or 12 High images"), (1000, "250 Medium or 62 High images"), (5000, "1,250 Medium or 312 High images"),
     (15, "3 Medium images"), (4, "1 Medium image"), (16, "4 Medium or 1 High image"), (3, "3 Low images")],
)  # fmt: skip
def test_a_pack_in_images(lot, words):
    assert offers.images(lot, catalog.Prices(low=1, medium=4, high=16)) == words
