"""Time. Whatever decides a state asks the database, so that a worker with a wrong clock does no harm (REQ-08).

Local timeouts use `time.monotonic` where they are.
"""

import datetime
import zoneinfo

from django.conf import settings
from django.db import connection


def now() -> datetime.datetime:
    """Return the database's `now()`: the same instant for the whole of a transaction, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (moment,) = cursor.fetchone()
    assert isinstance(moment, datetime.datetime)
    return moment


def day_of(moment: datetime.datetime) -> datetime.date:
    """Return the instance's calendar day (GESSO_TIMEZONE) that `moment` falls in."""
    return moment.astimezone(zoneinfo.ZoneInfo(settings.TIME_ZONE)).date()


def end_of_day(moment: datetime.datetime) -> datetime.datetime:
    """Return the next midnight of the instance's timezone after `moment`: when daily credits end (exclusive)."""
    zone = zoneinfo.ZoneInfo(settings.TIME_ZONE)
    tomorrow = moment.astimezone(zone).date() + datetime.timedelta(days=1)
    return datetime.datetime.combine(tomorrow, datetime.time.min, tzinfo=zone)
