"""The database backend reads timestamps as Django would (aware, in UTC, to the microsecond) and replaces what was cut."""

import datetime

import psycopg
import pytest
from django.db import close_old_connections, connection, transaction
from psycopg.types.datetime import TimestamptzLoader

from gesso.accounts.models import User
from gesso.generations import broadcast

MOMENTS = [
    datetime.datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=datetime.UTC),
    datetime.datetime(1, 1, 1, tzinfo=datetime.UTC),
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.UTC),
]


@pytest.mark.django_db
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_timestamp_comes_back_as_it_was_written(moment):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz, NULL::timestamptz, ARRAY[%s::timestamptz]", [moment, moment])
        read, nothing, several = cursor.fetchone()
    assert (read, nothing, several) == (moment, None, [moment])
    assert read.tzinfo is several[0].tzinfo is datetime.UTC


@pytest.mark.django_db
def test_psycopg_reads_it_and_not_python():
    with connection.cursor() as cursor:
        loader = cursor.cursor.adapters.get_loader(1184, 0)
    assert not issubclass(loader, TimestamptzLoader)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("inside", [True, False])
def test_rows_can_be_read_piece_by_piece(inside):
    joined = MOMENTS[0]
    User.objects.bulk_create(User(email=f"{number}@example.com", last_login=joined) for number in range(5))
    if inside:
        with transaction.atomic():
            read = [user.last_login for user in User.objects.iterator(chunk_size=2)]
    else:
        read = [user.last_login for user in User.objects.iterator(chunk_size=2)]
    assert read == [joined] * 5


def backend() -> int:
    """Return which process of the server the connection speaks with, as the first use of a request would find it."""
    close_old_connections()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_kept_connection_that_was_cut_is_replaced_and_none_is_asked_before_each_use(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    connection.close()
    first = backend()

    asked = []
    execute = psycopg.Cursor.execute

    def note(cursor, query, *words, **named):
        asked.append(query)
        return execute(cursor, query, *words, **named)

    with monkeypatch.context() as listening:
        listening.setattr(psycopg.Cursor, "execute", note)
        second = backend()
    assert second == first
    assert asked == ["SELECT pg_backend_pid()"]

    with psycopg.connect(**broadcast.connection_words(), autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [first])  # returns when that process is gone
        assert cursor.fetchone() == (True,)
    third = backend()
    assert third != first
    assert backend() == third
    connection.close()
