"""The chart of the margin page: what was kept beside what it cost, step by step, drawn here as bars."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

from gesso.core import currencies
from gesso.staff.margin_figures import Figures

WIDTH, BASE, TOP = 1000, 200, 16  # units of the drawing: its width, where bars stand, how high they reach
LEAST = 2  # units of the smallest bar
LETTER = 11  # units that a digit of the scale takes, at most: on a phone its letters are larger
LABELS = 12  # so many words under the bars, at most
STEPS = (1, 2, 5)


@dataclasses.dataclass(frozen=True)
class Mark:
    """A line of the scale."""

    y: str
    text_y: str
    words: str


@dataclasses.dataclass(frozen=True)
class Bar:
    """One step: two bars side by side; empty heights draw nothing. `label` stands under some."""

    words: str
    kept_x: str
    kept_y: str
    kept_height: str
    cost_x: str
    cost_y: str
    cost_height: str
    width: str
    label: str
    label_x: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """The drawing and its label; without bars there is nothing to draw."""

    label: str
    left: str
    marks: list[Mark]
    bars: list[Bar]


def draw(steps: Sequence[datetime.date], found: Mapping[datetime.date, Figures], step: str, currency: str) -> Chart:
    """Return the chart of these steps; those that are not `found` are empty."""
    rows = [(day, found.get(day, Figures())) for day in steps]
    most = max(max(row.earned - row.refunds, row.cost) for _, row in rows)
    if not most:
        return Chart("", "0", [], [])
    scale = _scale(most)
    words = [currencies.words(value, currency, fine=scale[-1] < 10**6) for value in scale]
    left = 12 + LETTER * max(len(each) for each in words)
    slot = (WIDTH - left) / len(rows)
    every = -(-len(rows) // LABELS)
    bars = []
    for number, (day, row) in enumerate(rows):
        x, kept = left + slot * number, row.earned - row.refunds
        width, kept_high, cost_high = slot * 0.36, _height(kept, scale[-1]), _height(row.cost, scale[-1])
        bars.append(Bar(
            words=(
                f"{said(day, step)}: {currencies.words(kept, currency)} earned,"
                f" {currencies.words(row.cost, currency, fine=row.cost < 10**6)} cost"
            ),
            kept_x=_units(x + slot * 0.12), kept_y=_units(BASE - kept_high),
            kept_height=_units(kept_high) if kept else "",
            cost_x=_units(x + slot * 0.52), cost_y=_units(BASE - cost_high),
            cost_height=_units(cost_high) if row.cost else "",
            width=_units(width), label="" if number % every else _label(day, step), label_x=_units(x + slot / 2),
        ))  # fmt: skip
    marks = [
        Mark(_units(BASE - (BASE - TOP) * value / scale[-1]), _units(BASE + 4 - (BASE - TOP) * value / scale[-1]), text)
        for value, text in zip(scale, words, strict=True)
    ]
    kept, cost = sum(row.earned - row.refunds for _, row in rows), sum(row.cost for _, row in rows)
    return Chart(
        f"Earned and provider cost, each {step}: {currencies.words(kept, currency)} earned,"
        f" {currencies.words(cost, currency)} cost.",
        str(left), marks, bars,
    )  # fmt: skip


def said(day: datetime.date, step: str) -> str:
    """Return `November 2026` or `21 November 2026`."""
    return f"{day:%B %Y}" if step == "month" else f"{day.day} {day:%B %Y}"


def _label(day: datetime.date, step: str) -> str:
    return f"{day:%b}" if step == "month" else str(day.day)


def _scale(most: int) -> list[int]:
    """Return 0 and up to four round steps, the last at or above `most`."""
    power = 1
    while True:
        for step in STEPS:
            if step * power * 4 >= most:
                return [step * power * number for number in range(-(-most // (step * power)) + 1)]
        power *= 10


def _height(value: int, most: int) -> float:
    return max(LEAST, (BASE - TOP) * value / most) if value else 0.0


def _units(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
