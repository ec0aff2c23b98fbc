"""The database from asynchronous code: one bounded pool of threads, each with a connection of its own.

Law 4 (no network inside a transaction) is kept by shape: provider calls are coroutines, and a coroutine reaches
the database only through `in_thread`, whose function can't await anything.
"""

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import psycopg
from django.db import close_old_connections
from psycopg.abc import RV, PQGen

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 8
LONG = 3600.0  # seconds
_pool = concurrent.futures.ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="database")


def use_threads(count: int) -> None:
    """Let this process use `count` threads, and so as many connections; to be said before the first is used."""
    global _pool  # noqa: PLW0603 (one for each process)
    _pool.shutdown()
    _pool = concurrent.futures.ThreadPoolExecutor(max_workers=count, thread_name_prefix="database")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `function` (synchronous, may use the ORM) in a database thread and return what it returns.

    Whatever it raises is raised here. The thread's connection is fit for use again afterwards.
    """
    return await asyncio.get_running_loop().run_in_executor(_pool, lambda: _with_connection(function, *args, **kwargs))


def _with_connection(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()  # drops it when it is broken; a process that keeps connections keeps it otherwise


def close() -> None:
    """End the pool's threads after the work in hand."""
    _pool.shutdown(wait=True)


def require_uncut(connection: psycopg.pq.abc.PGconn) -> None:
    """Raise psycopg.OperationalError when the server has ended an idle connection: read, without asking anything.

    The first look may find last words only, and the second the end behind them. A connection that was lost without a
    word is found out by the next statement, as it would be by a question.
    """
    for _ in range(2):
        connection.consume_input()


class PatientConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection for the event loop, outside Django's, that sleeps until there is something to read.

    psycopg's own wakes ten times a second while it waits, so that a Ctrl-C is seen where no event loop sees it; to
    listen for a day costs 0.2 % of a core in each process then.
    """

    async def wait(self, gen: PQGen[RV], interval: float = LONG, timeout: float | None = None) -> RV:  # noqa: ASYNC109 (psycopg's signature)
        """Wait for `gen` as psycopg does."""
        return await super().wait(gen, interval, timeout)
