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


@pytest.mark.parametrize(
    ("amount", "currency", "words", "decimal"),
    [
        (800, "usd", "$8", "8.00"), (1450, "usd", "$14.50", "14.50"), (3500, "eur", "€35", "35.00"),
        (500, "jpy", "¥500", "500"), (150_000, "usd", "$1,500", "1500.00"), (5, "gbp", "£0.05", "0.05"),
        (3505, "chf", "CHF 35.05", "35.05"), (12_500, "kwd", "KWD 12.500", "12.500"), (0, "usd", "$0", "0.00"),
        (12_345_600, "krw", "₩12,345,600", "12345600"), (10, "usd", "$0.10", "0.10"),
    ],
)  # fmt: skip
def test_money_is_exact_in_words_and_in_files(amount, currency, words, decimal):
    assert wording.money(amount, currency) == words
    assert wording.decimal(amount, currency) == decimal
