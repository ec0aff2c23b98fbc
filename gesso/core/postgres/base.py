"""Django's PostgreSQL backend without two of its habits.

Timestamps: Django reads them in Python, so that their zone may differ from the connection's. Here both are always UTC,
and psycopg's C code reads the same values in a tenth of the time: 24 rows of 6 cost 0.07 ms instead of 0.55, and every
statement 0.02 ms less, as no cursor has to compare zones first.

Kept connections: Django asks each one a question before its first use in a request. Here it is looked at instead.
"""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.adapt import AdaptersMap
from psycopg.pq import Format

from gesso.core import transactions

TIMESTAMPTZ = psycopg.postgres.types["timestamptz"].oid


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection of one thread, whose timestamps are aware and in UTC."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's words for a connection, with its own loader of timestamps instead of Django's."""
        words: dict[str, Any] = super().get_connection_params()
        context = AdaptersMap(words["context"])
        own = psycopg.adapters.get_loader(TIMESTAMPTZ, Format.TEXT)
        assert own
        context.register_loader("timestamptz", own)
        return words | {"context": context}

    def is_usable(self) -> bool:
        """Say whether the connection still works, as far as the server has told."""
        if self.connection is None:
            return False
        try:
            transactions.require_uncut(self.connection.pgconn)
        except psycopg.Error:
            return False
        return True

    def create_cursor(self, name: str | None = None) -> Any:
        """Open a cursor; one with a name stays in the server and is read piece by piece."""
        if name is None:
            return self.connection.cursor()
        return self.connection.cursor(name, scrollable=False, withhold=self.connection.autocommit)
