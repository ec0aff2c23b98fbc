"""What providers charge, as rows of the catalogue, and the arithmetic on them.

Invariant: money is whole millionths of a dollar, rounded once, half up, at the end of a sum; nothing here is a float.
What an attempt cost is asked in `generations.costs`; what people pay is not here.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import pydantic

MILLION = 1_000_000
MOST_TOKENS = 10**9  # a count above it is nonsense
ANY = "any"  # the size whose row counts for every size without one
_DOLLARS = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,6}))?")
_SIZE = re.compile(r"any|[1-9][0-9]{1,4}x[1-9][0-9]{1,4}")


def millionths(text: object) -> int:
    """Return a decimal string such as "0.04" in millionths. Raises ValueError."""
    found = _DOLLARS.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f'must be a string such as "5" or "0.04" with at most six decimals, not {text!r}')
    return int(found[1]) * MILLION + int((found[2] or "").ljust(6, "0"))


def rounded(value: int, by: int) -> int:
    """Return `value` / `by`, half up; for both signs the same distance from nothing."""
    sign = -1 if value < 0 else 1
    return sign * ((2 * abs(value) + by) // (2 * by))


Millionths = Annotated[int, pydantic.BeforeValidator(millionths)]


class _Table(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)


class TokenPrices(_Table):
    """Millionths of a dollar for a million tokens. What has no price of its own counts as what it is part of."""

    text_in: Millionths
    image_in: Millionths
    image_out: Millionths
    text_out: Millionths | None = None
    cached_text_in: Millionths | None = None
    cached_image_in: Millionths | None = None


class ImagePrices(_Table):
    """Millionths of a dollar for one image of a size, by quality; a quality that is missing is not known."""

    low: Millionths | None = None
    medium: Millionths | None = None
    high: Millionths | None = None


class Costs(_Table):
    """What one model costs: by tokens, where the provider says how many it used; else by size and quality.

    `images` maps a size such as `1024x1024`, or `any`, to its prices.
    """

    tokens: TokenPrices | None = None
    images: dict[str, ImagePrices] = {}

    @pydantic.field_validator("images")
    @classmethod
    def _sizes(cls, rows: dict[str, ImagePrices]) -> dict[str, ImagePrices]:
        for size in rows:
            if not _SIZE.fullmatch(size):
                raise ValueError(f"{size!r} is not a size such as 1024x1024, nor the word any")
        return rows

    def of_image(self, quality: str, width: int, height: int) -> int | None:
        """Return what one image costs by the table, in millionths of a dollar; None when it is not in it."""
        for size in (f"{width}x{height}", ANY):
            row = self.images.get(size)
            price: int | None = getattr(row, quality, None) if row else None
            if price is not None:
                return price
        return None

    def of_usage(self, usage: Mapping[str, object]) -> int | None:
        """Return what an answer cost by the tokens it says it used, in millionths of a dollar; None when it can't say.

        Input that is not split counts as text, output that is not split as image.
        """
        prices = self.tokens
        went_in, came_out = _count(usage, "input_tokens"), _count(usage, "output_tokens")
        if prices is None or went_in is None or came_out is None:
            return None
        inside, outside = _details(usage, "input_tokens_details"), _details(usage, "output_tokens_details")
        image_in = min(_count(inside, "image_tokens") or 0, went_in)
        text_out = min(_count(outside, "text_tokens") or 0, came_out)
        cached = _details(inside, "cached_tokens_details")
        text, text_cached = _split(went_in - image_in, _count(cached, "text_tokens"))
        image, image_cached = _split(image_in, _count(cached, "image_tokens"))
        total = (
            text * prices.text_in
            + text_cached * _or(prices.cached_text_in, prices.text_in)
            + image * prices.image_in
            + image_cached * _or(prices.cached_image_in, prices.image_in)
            + text_out * _or(prices.text_out, prices.image_out)
            + (came_out - text_out) * prices.image_out
        )
        return rounded(total, MILLION)


def _split(count: int, cached: int | None) -> tuple[int, int]:
    part = min(cached or 0, count)
    return count - part, part


def _or(price: int | None, otherwise: int) -> int:
    return otherwise if price is None else price


def _count(values: Mapping[str, object], name: str) -> int | None:
    found = values.get(name)
    return found if type(found) is int and 0 <= found <= MOST_TOKENS else None


def _details(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}
