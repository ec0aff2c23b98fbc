"""The worker's queue connections: one that was cut is replaced, and nobody is asked before each use."""

import asyncio

import psycopg
import pytest
from procrastinate import PsycopgConnector

from gesso.config import worker
from gesso.generations import broadcast

pytestmark = pytest.mark.django_db(transaction=True)

CUT = "SELECT pg_terminate_backend(%s, 5000)"  # milliseconds: it returns when the backend is gone


def test_a_queue_connection_that_was_cut_is_replaced_and_none_is_asked_before_each_use(monkeypatch):
    words = broadcast.connection_words()
    asked = []

    async def execute(_connection, query, *_words, **_named):
        asked.append(query)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", execute)  # what asks before a use; the queue has cursors

    async def use():
        connector = PsycopgConnector(pool_factory=worker.pool, kwargs=words, min_size=1, max_size=1)
        await connector.open_async()
        try:
            pids = []
            for _ in range(4):
                row = await connector.execute_query_one_async("SELECT pg_backend_pid() AS pid")
                pids.append(row["pid"])
                if len(pids) == 3:
                    with psycopg.connect(**words, autocommit=True) as other:
                        assert other.execute(CUT, [row["pid"]]).fetchone() == (True,)
            return pids
        finally:
            await connector.close_async()

    first, second, third, last = asyncio.run(use())
    assert first == second == third != last
    assert asked == []


def test_a_worker_whose_queue_shows_no_life_ends(monkeypatch):
    monkeypatch.setattr(worker, "LISTENER_CHECK_SECONDS", 0.05)

    async def live(*names):
        others = [asyncio.create_task(asyncio.sleep(60), name=name) for name in names]
        try:
            async with asyncio.timeout(0.5 if len(names) == 2 else 30):
                await worker._listener_lives()
        finally:
            for other in others:
                other.cancel()

    with pytest.raises(TimeoutError):
        asyncio.run(live("listener", "update_heartbeats"))
    for left in ("listener", "update_heartbeats"):
        with pytest.raises(worker.Deaf):
            asyncio.run(live(left))
