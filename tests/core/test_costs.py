"""What providers charge: exact in millionths of a dollar, from tokens and from the table."""

import pytest

from gesso.core import catalog, costs

ALL = costs.Costs.model_validate(
    {
        "tokens": {
            "text_in": "5", "image_in": "8", "image_out": "30", "text_out": "10", "cached_text_in": "1.25",
            "cached_image_in": "2",
        },
        "images": {"1024x1024": {"low": "0.006", "high": "0.21"}, "any": {"low": "0.005", "medium": "0.05"}},
    }
)  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("5", 5_000_000), ("0.04", 40_000), ("0.000001", 1), ("0", 0)])
def test_dollars_are_read_to_the_millionth(text, value):
    assert costs.millionths(text) == value


@pytest.mark.parametrize("text", ["", "-1", "1.", ".5", "0.0000001", "1e3", "1,5", "٣", 5, 0.04, None, True, " 5"])
def test_what_is_not_dollars_is_refused(text):
    with pytest.raises(ValueError, match="must be a string such as"):
        costs.millionths(text)


@pytest.mark.parametrize(("value", "by", "whole"), [(5, 2, 3), (-5, 2, -3), (4, 3, 1), (-4, 3, -1), (0, 7, 0)])
def test_halves_go_away_from_nothing(value, by, whole):
    assert costs.rounded(value, by) == whole


def test_tokens_by_hand():
    # 100 text of which 40 cached, 300 image of which 100 cached, 1,756 out of which 6 text:
    # 60 x 5 + 40 x 1.25 + 200 x 8 + 100 x 2 + 6 x 10 + 1,750 x 30 = 54,710
    usage = {
        "input_tokens": 400, "output_tokens": 1756,
        "input_tokens_details": {
            "text_tokens": 100, "image_tokens": 300, "cached_tokens_details": {"text_tokens": 40, "image_tokens": 100},
        },
        "output_tokens_details": {"text_tokens": 6, "image_tokens": 1750},
    }  # fmt: skip
    assert ALL.of_usage(usage) == 54_710


def test_a_sum_is_rounded_once_half_up():
    # 1.25 each, 2 cached tokens: 2.5 -> 3; three would be 3.75 -> 4
    for cached, whole in ((2, 3), (3, 4), (4, 5)):
        usage = {
            "input_tokens": cached, "output_tokens": 0,
            "input_tokens_details": {"text_tokens": cached, "cached_tokens_details": {"text_tokens": cached}},
        }  # fmt: skip
        assert ALL.of_usage(usage) == whole


def test_what_is_not_split_is_text_in_and_picture_out():
    assert ALL.of_usage({"input_tokens": 10, "output_tokens": 100}) == 10 * 5 + 100 * 30


@pytest.mark.parametrize(
    "usage",
    [
        {}, {"input_tokens": 1}, {"output_tokens": 1}, {"input_tokens": "1", "output_tokens": 1},
        {"input_tokens": -1, "output_tokens": 1}, {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": 1.5, "output_tokens": 1}, {"input_tokens": 1, "output_tokens": 10**12}, {"sandbox": True},
    ],
)  # fmt: skip
def test_an_answer_that_does_not_say_is_not_known(usage):
    assert ALL.of_usage(usage) is None


def test_details_that_say_more_than_the_whole_are_bounded():
    usage = {"input_tokens": 10, "output_tokens": 1, "input_tokens_details": {"image_tokens": 99}}
    assert ALL.of_usage(usage) == 10 * 8 + 30
    assert ALL.of_usage({"input_tokens": 10, "output_tokens": 1, "input_tokens_details": "?"}) == 80


def test_the_table_knows_a_size_or_any_or_says_that_it_does_not():
    assert ALL.of_image("low", 1024, 1024) == 6_000
    assert ALL.of_image("medium", 1024, 1024) == 50_000  # its own row has none: any
    assert ALL.of_image("low", 512, 512) == 5_000
    assert ALL.of_image("high", 512, 512) is None
    assert costs.Costs().of_image("low", 1, 1) is None
    assert costs.Costs().of_usage({"input_tokens": 1, "output_tokens": 1}) is None


def test_the_shipped_table_has_every_size_of_every_model():
    shipped = catalog.load(None)
    for model in shipped.models:
        for width, height in model.sizes.values():
            for quality in model.qualities:
                assert shipped.costs[model.id].of_image(quality, width, height) is not None
    table = shipped.costs["gpt-image-2"]
    assert [table.of_image(quality, 1024, 1024) for quality in ("low", "medium", "high")] == [5_880, 52_680, 210_720]
