"""What the database of the measured stack knows: when generations ended, when pictures were decoded, statements run."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg

from benchmarks import stack
from gesso.config import embedded


@contextlib.contextmanager
def connected(here: stack.Stack) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the stack's own Postgres, over its socket."""
    place = embedded.location(here.data_dir)
    with psycopg.connect(
        host=str(place.socket_dir), user=embedded.ROLE, dbname=embedded.DATABASE, autocommit=True
    ) as connection:
        yield connection


def ended(connection: psycopg.Connection[Any]) -> dict[str, tuple[str, float]]:
    """Return the state and the ending's time (seconds since 1970) of every generation that has ended, by id."""
    found = connection.execute(
        "SELECT id::text, state, extract(epoch FROM ended_at)::float8"
        " FROM generations_generation WHERE ended_at IS NOT NULL"
    )
    return {number: (state, at) for number, state, at in found}


def counts(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Return how many generations are still in hand and how many pictures wait for their renditions."""
    found = connection.execute(
        "SELECT (SELECT count(*) FROM generations_generation WHERE ended_at IS NULL),"
        " (SELECT count(*) FROM images_image WHERE origin = 'output' AND rendered_at IS NULL AND broken_at IS NULL)"
    ).fetchone()
    assert found
    return int(found[0]), int(found[1])


def connections(connection: psycopg.Connection[Any], name: str) -> int:
    """Return how many database connections the process of that name (`gesso web`) holds."""
    found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name]).fetchone()
    assert found
    return int(found[0])
