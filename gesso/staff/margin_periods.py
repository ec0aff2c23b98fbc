"""The periods of the margin page: this month, the last one, twelve months; in the instance's timezone."""

import dataclasses
import datetime
import zoneinfo

from django.conf import settings

from gesso.core import clock

NAMES = {"month": "This month", "last": "Last month", "year": "Last 12 months"}


@dataclasses.dataclass(frozen=True)
class Period:
    """From `since` to `until` (exclusive), looked at by `step`: `day` or `month`."""

    name: str
    since: datetime.datetime
    until: datetime.datetime
    step: str

    @property
    def words(self) -> str:
        """`November 2026`, or from which month to which."""
        last = self.until - datetime.timedelta(days=1)
        first, end = f"{self.since:%B %Y}", f"{last:%B %Y}"
        return first if first == end else f"{first} to {end}"


def chosen(name: str) -> Period:
    """Return the period of this name, now; this month for a name that is none."""
    zone = zoneinfo.ZoneInfo(settings.TIME_ZONE)
    today = clock.now().astimezone(zone).date()
    month = _month(today.year, today.month, zone)
    following = _shifted(month, 1, zone)
    if name == "last":
        return Period("last", _shifted(month, -1, zone), month, "day")
    if name == "year":
        return Period("year", _shifted(month, -11, zone), following, "month")
    return Period("month", month, following, "day")


def steps(period: Period) -> list[datetime.date]:
    """Return the first day of every step of the period."""
    first, after = period.since.date(), period.until.date()
    days = [first + datetime.timedelta(days=number) for number in range((after - first).days)]
    return days if period.step == "day" else [day for day in days if day.day == 1]


def _month(year: int, month: int, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    return datetime.datetime(year, month, 1, tzinfo=zone)


def _shifted(start: datetime.datetime, months: int, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    count = start.year * 12 + start.month - 1 + months
    return _month(count // 12, count % 12 + 1, zone)
