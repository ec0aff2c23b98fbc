"""Counts, moments and durations as people read them."""

import datetime

import pytest

from gesso.web import wording

NOW = datetime.datetime(2026, 5, 21, 12, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 credits"), (1, "1 credit"), (4, "4 credits"), (12000, "12,000 credits")]
)
def test_plural(number, words):
    assert wording.plural(number, "credit") == words


@pytest.mark.parametrize(
    ("back", "words"),
    [({"hours": 1}, "11:00"), ({"days": 1}, "20 May"), ({"days": 365}, "21 May 2025")],
)
def test_a_moment_is_a_clock_time_today_and_a_date_before(back, words):
    moment = wording.moment(NOW - datetime.timedelta(**back), NOW)
    assert moment.words == words
    assert moment.iso.endswith("Z")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.4, "59 s"), (70, "1 min 10 s"), (7500, "2 h 5 min"), (-3, "0 s")]
)
def test_duration(seconds, words):
    assert wording.duration(seconds) == words


def test_first_words_are_cut_at_a_word():
    assert wording.first_words("One two,\n three", 40) == "One two, three"
    assert wording.first_words("One two, three", 9) == "One two…"
    assert wording.first_words("x" * 100, 10) == "x" * 10 + "…"
