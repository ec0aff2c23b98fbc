"""Money in words: rounded half up to the smallest unit, exact where a file wants it."""

import pytest

from gesso.core import currencies


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        (0, "usd", "$0.00"), (1_234_500_000, "usd", "$1,234.50"), (4_999, "usd", "$0.00"), (5_000, "usd", "$0.01"),
        (-5_000, "usd", "-$0.01"), (-4_999, "usd", "$0.00"), (1_500_000, "jpy", "¥2"), (1_234_500, "kwd", "KWD 1.235"),
        (10_000, "chf", "CHF 0.01"),
    ],
)  # fmt: skip
def test_money_in_words(amount, currency, said):
    assert currencies.words(amount, currency).replace(currencies.MINUS, "-") == said


def test_what_one_image_costs_has_four_digits():
    assert currencies.words(5_880, "usd", fine=True) == "$0.0059"
    assert currencies.words(5_849, "jpy", fine=True) == "¥0.0058"


@pytest.mark.parametrize(
    ("amount", "said"), [(0, "0.000000"), (1, "0.000001"), (-52_680, "-0.052680"), (10**12, "1000000.000000")]
)
def test_exact_figures(amount, said):
    assert currencies.exact(amount) == said


def test_the_smallest_unit_is_so_many_millionths():
    assert [currencies.unit(name) for name in ("usd", "jpy", "kwd")] == [10_000, 1_000_000, 1_000]
