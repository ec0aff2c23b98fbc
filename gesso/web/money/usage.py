"""Use in the last days: bars that are drawn here, and the same figures as a table for those who don't see them."""

import dataclasses
import datetime
from collections.abc import Sequence

from gesso.credits import queries
from gesso.web import wording

WIDTH, BASE, TOP = 1000, 170, 20  # units of the drawing: its width, where bars stand, and how high they reach
LETTER = 7  # units that a digit of a scale's word takes, at most
LEAST = 2  # units of the smallest bar, so that one credit is seen beside many
STEPS = (1, 2, 5)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line of the scale with its word."""

    y: str
    text_y: str
    words: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One day. Empty heights: nothing to draw. `label` stands under some bars; `anchor` is how it sits there."""

    words: str
    x: str
    width: str
    top: str
    height: str
    back_top: str
    back_height: str
    label: str
    label_x: str
    anchor: str
    today: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One day of the table."""

    day: str
    charged: str
    returned: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The drawing, its label, a summary, and the table; without bars nothing was used."""

    summary: str
    label: str
    left: str
    marks: list[Mark]
    bars: list[Bar]
    rows: list[Row]


def chart(days: Sequence[queries.DayOfUse]) -> Chart:
    """Return the chart of these days, oldest first."""
    charged, returned = sum(day.charged for day in days), sum(day.returned for day in days)
    summary = f"{wording.plural(charged, 'credit')} charged, {returned:,} returned"
    rows = [
        Row(_day(day.day), f"{day.charged:,}", f"{day.returned:,}")
        for day in reversed(days)
        if day.charged or day.returned
    ]
    if not rows:
        return Chart(summary=summary, label="", left="0", marks=[], bars=[], rows=[])
    most = max(days, key=lambda day: day.charged)
    scale = _scale(max(day.charged + day.returned for day in days))
    left = 8 + LETTER * len(f"{scale[-1]:,}")
    return Chart(
        summary=summary,
        label=f"Credits charged each day, {_day(days[0].day)} to {_day(days[-1].day)}. "
        f"Most: {most.charged:,} on {_day(most.day)}. Total {charged:,}.",
        left=str(left),
        marks=[_mark(value, scale[-1]) for value in scale],
        bars=_bars(days, left, scale[-1]),
        rows=rows,
    )


def _scale(most: int) -> list[int]:
    """Return 0 and up to four round steps, the last at or above `most`."""
    step, power = 1, 1
    while step * 4 < most:
        step = next((each * power for each in STEPS if each * power > step), power * 10)
        power = power * 10 if step == power * 10 else power
    return [step * number for number in range(-(-most // step) + 1)]


def _mark(value: int, most: int) -> Mark:
    y = BASE - _height(value, most)
    return Mark(y=_units(y), text_y=_units(y + 4), words=f"{value:,}")


def _bars(days: Sequence[queries.DayOfUse], left: int, most: int) -> list[Bar]:
    slot = (WIDTH - left) / len(days)
    return [_bar(day, left + slot * number, slot, most, len(days) - 1 - number) for number, day in enumerate(days)]


def _bar(day: queries.DayOfUse, x: float, slot: float, most: int, days_ago: int) -> Bar:
    high = max(LEAST, _height(day.charged, most)) if day.charged else 0
    back = max(LEAST, _height(day.returned, most)) if day.returned else 0
    width = slot * 0.6
    middle = x + slot / 2
    said = f"{_day(day.day)}: {day.charged:,} charged"
    return Bar(
        words=f"{said}, {day.returned:,} returned" if day.returned else said,
        x=_units(middle - width / 2), width=_units(width),
        top=_units(BASE - high), height=_units(high) if high else "",
        back_top=_units(BASE - high - back), back_height=_units(back) if back else "",
        label="" if days_ago % 7 else _day(day.day), label_x=_units(middle if days_ago else WIDTH),
        anchor="middle" if days_ago else "end", today=not days_ago,
    )  # fmt: skip


def _height(value: int, most: int) -> float:
    return (BASE - TOP) * value / most


def _units(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _day(day: datetime.date) -> str:
    return f"{day.day} {day:%B}"
