"""A clock that a test can turn, in the place of the database's."""

import datetime

START = datetime.datetime(2026, 3, 2, 10, tzinfo=datetime.UTC)  # a Monday morning in UTC, the tests' timezone


class Clock:
    """The time that the ledger sees."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime.datetime:
        return self.moment

    def later(self, **span: float) -> datetime.datetime:
        """Let time pass; returns the new moment."""
        self.moment += datetime.timedelta(**span)
        return self.moment

    def ahead(self, **span: float) -> datetime.datetime:
        """Return a moment that far ahead."""
        return self.moment + datetime.timedelta(**span)
