"""The loop that makes losing a worker, a job or a notice harmless: it looks at the rows and rings where nobody works.

It runs in every worker, in a thread of its own; an advisory lock lets one of them sweep at a time. It never touches
money: it rings, and `runner.advance` does the rest.
"""

import datetime
import threading
import uuid

import structlog
from django.db import connection, transaction

from gesso.accounts import sessions
from gesso.core import clock
from gesso.credits import allowances, codes, ledger
from gesso.generations import alarms, leftovers, spool
from gesso.generations.models import Heartbeat, IdempotencyKey

EVERY = 5.0  # seconds between sweeps
LOCK = (7000, 1)
OVERLOAD_SECONDS = 300  # a queue whose head has waited so long takes nothing more
RING_AGAIN_SECONDS = 10
SWEEP = "recovery"

log = structlog.get_logger()

# Whoever is open and held by nobody past its time: the lease ran out, or the alarm time has come, or the deadline has.
_UNHEARD = """
UPDATE generations_generation SET wake_at = now() + %s * interval '1 second'
WHERE id IN (
    SELECT id FROM generations_generation
    WHERE state IN ('queued', 'running') AND (
        lease_expires_at < now() AND (wake_at IS NULL OR wake_at < now())
        OR lease_expires_at IS NULL AND (wake_at IS NULL OR wake_at < now())
        OR deadline_at + interval '30 seconds' < now() AND (wake_at IS NULL OR wake_at < now())
    )
    ORDER BY created_at, id LIMIT 1000 FOR UPDATE SKIP LOCKED
) RETURNING id
"""
# The lease of a generation past its deadline is taken from an owner who renews it and does nothing else.
_TAKE_FROM_IDLE = """
UPDATE generations_generation SET lease_expires_at = now() - interval '1 second'
WHERE state = 'running' AND deadline_at + interval '60 seconds' < now() AND lease_expires_at > now()
"""
# Only those count that their workspace's limit would let run, for which nobody had time yet: whoever waits in line for
# its own others does not, nor who was looked at and waits for moderation.
_OLDEST_WAITING = """
SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0) FROM (
    SELECT created_at, row_number() OVER (PARTITION BY workspace_id ORDER BY state = 'queued', created_at) AS place,
           state, lease_epoch
    FROM generations_generation WHERE state IN ('queued', 'running')
) AS line WHERE state = 'queued' AND lease_epoch = 0 AND place <= %s
"""
_DEAD_JOBS = """
SELECT procrastinate_finish_job_v1(job.id, 'failed', true) FROM procrastinate_jobs AS job
WHERE job.status = 'doing' AND job.queue_name = ANY(%s)
  AND NOT EXISTS (
      SELECT 1 FROM procrastinate_workers AS worker
      WHERE worker.id = job.worker_id AND worker.last_heartbeat > now() - interval '60 seconds'
  )
"""


def sweep() -> int:
    """Ring every generation that nobody works on though its time has come; returns how many. Safe at any time."""
    from gesso.core import catalog

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", LOCK)
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_TAKE_FROM_IDLE)
        cursor.execute(_UNHEARD, [RING_AGAIN_SECONDS])
        unheard: list[uuid.UUID] = [row[0] for row in cursor.fetchall()]
        alarms.ring(unheard)
        cursor.execute(_OLDEST_WAITING, [catalog.current().limits.concurrent_free])
        (waiting,) = cursor.fetchone()
        now = clock.now()
        Heartbeat.objects.update_or_create(name=SWEEP, defaults={"at": now, "data": {"oldest_waiting": float(waiting)}})
    if unheard:
        log.info("rang generations that nobody worked on", count=len(unheard))
    return len(unheard)


def tidy() -> None:
    """Do what once a minute is enough for: jobs of dead workers, keys and grants past their time, leftover files."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (LOCK[0], LOCK[1] + 1))
        if not cursor.fetchone()[0]:
            return
        cursor.execute(_DEAD_JOBS, [[alarms.GENERATIONS]])
        IdempotencyKey.objects.filter(created_at__lt=clock.now() - datetime.timedelta(hours=24)).delete()
    ledger.expire_due(None)
    allowances.forget()
    codes.forget()
    sessions.forget()
    spool.clear_ended()


def last_sweep_age() -> float | None:
    """Return the seconds since any worker's last sweep, or None before the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM now() - at) FROM generations_heartbeat WHERE name = %s", [SWEEP])
        row = cursor.fetchone()
    return float(row[0]) if row else None


def overload() -> int | None:
    """Return in how many seconds to try again when too much is waiting, or None when a submission is welcome."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT data -> 'oldest_waiting' FROM generations_heartbeat WHERE name = %s", [SWEEP])
        row = cursor.fetchone()
    return 60 if row and float(row[0]) > OVERLOAD_SECONDS else None


class Loop:
    """Sweeps every five seconds, tidies every minute, clears leftovers now and then; in a thread, until `stop`."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)

    def start(self) -> None:
        """Begin at once: a start is when most is left over."""
        self._thread.start()

    def stop(self) -> None:
        """End the loop and wait for the sweep in hand."""
        self._stopped.set()
        self._thread.join(timeout=EVERY)

    def _run(self) -> None:
        rounds = 0
        while not self._stopped.is_set():
            try:
                sweep()
                if rounds % 12 == 1:
                    tidy()
                    leftovers.clear_if_due()
            except Exception:  # the database may be away for a while; the next round tries again
                log.exception("a sweep failed")
                connection.close()
            rounds += 1
            self._stopped.wait(EVERY)
        connection.close()
