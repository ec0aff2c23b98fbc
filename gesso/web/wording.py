"""Small words that several pages share: counts, moments, money, first words. Plain strings in, plain strings out.

Pages say a moment in the instance's timezone; `clocks.js` says it again in the reader's own. What a card, a timeline
or a statement says is with them.
"""

import dataclasses
import datetime
from typing import Literal

from django.utils import timezone

from gesso.core import currencies

FIRST_WORDS = 80
TIMES = "×"  # noqa: RUF001 (the sign between sizes and prices, on purpose)


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """A moment for a `<time>`: `iso` is UTC, `words` what is shown without JavaScript, `full` the hover text."""

    iso: str
    words: str
    full: str


def plural(number: int, word: str) -> str:
    """Return `1 credit`, `4 credits`, `1,000 credits`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def money(amount: int, currency: str) -> str:
    """Return `$8`, `$14.50`, `€1,200`, `¥500`, `CHF 35`; `amount` is in the currency's smallest unit."""
    figure = decimal(amount, currency, ",")
    whole, _, rest = figure.partition(".")
    figure = whole if not rest.strip("0") else figure
    sign = currencies.SIGNS.get(currency)
    return f"{sign}{figure}" if sign else f"{currency.upper()} {figure}"


def decimal(amount: int, currency: str, grouped: Literal["", ","] = "") -> str:
    """Return `8.00`, `500`: an amount as a spreadsheet reads it, exact to the last digit."""
    digits = currencies.DIGITS.get(currency, 2)
    whole, rest = divmod(amount, 10**digits)
    figure = f"{whole:{grouped}}"
    return f"{figure}.{rest:0{digits}}" if digits else figure


def date(at: datetime.datetime) -> str:
    """Return `21 May 2026`, in the instance's timezone."""
    local = timezone.localtime(at)
    return f"{local.day} {local:%B %Y}"


def moment(at: datetime.datetime, now: datetime.datetime) -> Moment:
    """Return `at` as a clock time today and as a date before."""
    local, today = timezone.localtime(at), timezone.localtime(now)
    if local.date() == today.date():
        words = f"{local:%H:%M}"
    elif local.year == today.year:
        words = f"{local.day} {local:%B}"
    else:
        words = f"{local.day} {local:%B %Y}"
    return Moment(_iso(at), words, _full(at))


def clock(at: datetime.datetime) -> Moment:
    """Return `at` to the second, for a timeline."""
    return Moment(_iso(at), f"{timezone.localtime(at):%H:%M:%S}", _full(at))


def _iso(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _full(at: datetime.datetime) -> str:
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """Return `8 s`, `1 min 10 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def first_words(text: str, most: int = FIRST_WORDS) -> str:
    """Return the beginning of `text` on one line, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    return line[:most].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


def credit_source(source: str) -> str:
    """Return the word that pages use for a grant's source."""
    return {"daily": "Daily", "plan": "Plan", "pack": "Pack", "staff": "Staff", "promo": "Promotion",
            "make-good": "Made good"}.get(source, source.replace("-", " ").capitalize())  # fmt: skip
