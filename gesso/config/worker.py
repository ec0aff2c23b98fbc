"""The worker process: hears alarms, advances generations, makes renditions, renews leases, sweeps what was left over.

On SIGTERM it claims nothing more, gives what is in hand `GRACE_SECONDS` to finish, and hands the rest over. It ends by
itself, to be started anew by the supervisor, when its queue listener has died (a restarted Postgres leaves it deaf).
"""

import asyncio
import signal
import sys
from typing import Any

import psycopg
import structlog
from django.conf import settings
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from psycopg_pool import AsyncConnectionPool

from gesso.config import settings as gesso_settings
from gesso.core import catalog, leases, memory, transactions
from gesso.generations import alarms, broadcast, recovery, rendering, runner, tasks
from gesso.moderation import policy
from gesso.providers import registry
from gesso.webhooks import rounds

SWITCH_SECONDS = 0.0005
GRACE_SECONDS = 12  # `gesso run` stops within 20 s
LISTENER_CHECK_SECONDS = 10

log = structlog.get_logger()


class Deaf(Exception):
    """The queue's listener or its heartbeat is gone; a new process hears again."""


def run() -> None:
    """Run the worker until SIGTERM or SIGINT. Raises Deaf when a restart is the cure."""
    memory.keep()
    gesso_settings.keep_connections()
    # Threads hand the interpreter over sooner than after 5 ms: each generation changes threads a few dozen times.
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.run(_run())


async def _run() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    renderer = rendering.Renderer()
    moderator = policy.Moderator()
    made = runner.Runner(registry.configured(), moderator, renderer.ask)
    tasks.use(made)
    renewer = leases.Renewer(lambda: made.renew(loop))
    sweeper = recovery.Loop()
    money = rounds.Loop()
    # The queue is read through a pool of its own; alarms are rung on Django's connection, inside its transactions.
    words = broadcast.connection_words() | {"application_name": "gesso-worker"}
    connector = PsycopgConnector(pool_factory=pool, configure=_autocommit, kwargs=words, min_size=1, max_size=6)
    queue = app.with_connector(connector)
    async with queue.open_async():
        hearing = asyncio.create_task(
            queue.run_worker_async(
                queues=[alarms.GENERATIONS], name=alarms.GENERATIONS, concurrency=settings.GESSO.worker_concurrency,
                install_signal_handlers=False, delete_jobs="always", shutdown_graceful_timeout=GRACE_SECONDS,
                task_middleware=[],  # Django's would tidy connections that these jobs never use, in a thread for each
            )
        )  # fmt: skip
        renewer.start()
        money.start()
        sweeper.start()
        log.info("worker ready", owner=made.owner, model=[model.id for model in catalog.usable_models()])
        asking = asyncio.create_task(moderator.check())
        parts = [
            hearing,
            asyncio.create_task(renderer.run()),
            asyncio.create_task(_listener_lives()),
            asyncio.create_task(stop.wait()),
        ]
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for task in (asking, *parts):
            task.cancel()
        _, *results = await asyncio.gather(asking, *parts, return_exceptions=True)  # the check has said its own
    money.stop()
    sweeper.stop()
    renewer.stop()
    await made.close()
    transactions.close()
    for result in results:
        if isinstance(result, Exception):
            raise result


def pool(**words: Any) -> AsyncConnectionPool[Any]:
    """Return the queue's pool: connections that sleep, and are not asked before each use whether they still work."""
    return AsyncConnectionPool(connection_class=transactions.PatientConnection, **words | {"check": _not_cut})


async def _not_cut(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raise psycopg.OperationalError when the connection was cut while it lay idle."""
    transactions.require_uncut(connection.pgconn)


async def _autocommit(connection: psycopg.AsyncConnection) -> None:
    """Make each of the queue's statements a transaction of its own: one trip to the database instead of three."""
    await connection.set_autocommit(True)


async def _listener_lives() -> None:
    """Return never; raises Deaf when a task of the queue's is gone: the one that listens, or the one that says so."""
    await asyncio.sleep(LISTENER_CHECK_SECONDS)
    while True:
        if not {"listener", "update_heartbeats"} <= {task.get_name() for task in asyncio.all_tasks()}:
            raise Deaf("The queue no longer listens or shows no life; this worker ends so that a new one does both.")
        await asyncio.sleep(LISTENER_CHECK_SECONDS)
