"""What `gesso doctor` proves about generations: nobody is stuck, the bill is right, the timeline tells what happened.

One query for each invariant, returning the rows that break it. Work in hand is no violation: where time decides, what
recovery mends by itself has its grace, by the database's clock. Nothing is repaired here. The ledger's own books are
proved in `credits.proof`, the bytes in `images.proof`.
"""

from collections.abc import Mapping

from django.db import connection

from gesso.core import catalog
from gesso.core.violations import Violation
from gesso.generations import alarms

OVERTIME_SECONDS = 60  # recovery ends what is past its time within this
TAKEOVER_SECONDS = 30
UNHEARD_SECONDS = 60
LATE_JOB_SECONDS = 300

# The first two arms don't trust `deadline_at` alone: a wrong deadline would hide what it should tell.
_ENDS_IN_TIME = """
SELECT 'generation ' || id, format(
    'it is %%s since %%s and had until %%s.', state, coalesce(started_at, created_at), least(deadline_at, latest)
) FROM (
    SELECT id, state, created_at, started_at, deadline_at, CASE state
        WHEN 'running' THEN started_at + %(running)s * interval '1 second'
        ELSE created_at + %(queued)s * interval '1 hour' END AS latest
    FROM generations_generation WHERE state IN ('queued', 'running')
) AS open WHERE least(deadline_at, latest) < now() - %(grace)s * interval '1 second'
UNION ALL
SELECT 'generation ' || generation.id, format('it is %%s, its hold is %%s.', generation.state, hold.state)
FROM generations_generation AS generation JOIN credits_credithold AS hold ON hold.id = generation.hold_id
WHERE (generation.state IN ('queued', 'running')) <> (hold.state = 'open')
UNION ALL
SELECT 'hold ' || hold.reference, 'it is open and no generation will end it.'
FROM credits_credithold AS hold LEFT JOIN generations_generation AS generation ON generation.hold_id = hold.id
WHERE hold.state = 'open' AND generation.id IS NULL
"""
_LEASES = """
SELECT 'generation ' || id, format('%%s let its lease run out %%s and nobody took over.', lease_owner, lease_expires_at)
FROM generations_generation
WHERE state IN ('queued', 'running') AND lease_expires_at < now() - %(grace)s * interval '1 second'
"""
# Seen is what was delivered, may be shown and is a whole picture; the trash is the member's own choice.
_BILL = """
SELECT 'generation ' || generation.id, format(
    'charged %%s credits for %%s visible images at %%s each.',
    hold.captured - bill.returned, bill.visible, generation.price_each
) FROM generations_generation AS generation
JOIN credits_credithold AS hold ON hold.id = generation.hold_id
CROSS JOIN LATERAL (
    SELECT (
        SELECT count(*) FROM generations_output AS output JOIN images_image AS image ON image.id = output.image_id
        WHERE output.generation_id = generation.id AND output.state = 'delivered'
          AND image.verdict = 'allowed' AND image.broken_at IS NULL
    ) AS visible, (
        SELECT coalesce(sum(part.returned), 0) FROM credits_holdpart AS part WHERE part.hold_id = hold.id
    ) AS returned
) AS bill
WHERE generation.ended_at IS NOT NULL AND hold.captured - bill.returned <> generation.price_each * bill.visible
"""
_SLOTS = """
SELECT 'generation ' || generation.id, format(
    'it asked for %%s images and has the slots %%s.', generation.count, coalesce(slots.indexes, '{}')
) FROM generations_generation AS generation LEFT JOIN (
    SELECT generation_id, array_agg(index ORDER BY index) AS indexes FROM generations_output GROUP BY generation_id
) AS slots ON slots.generation_id = generation.id
WHERE slots.indexes IS DISTINCT FROM ARRAY(SELECT generate_series(0, generation.count - 1)::smallint)
"""
_GRAPH = """
WITH step AS (
    SELECT generation_id, kind, sequence,
           lag(kind) OVER (PARTITION BY generation_id ORDER BY sequence) AS before,
           row_number() OVER (PARTITION BY generation_id ORDER BY sequence DESC) = 1 AS last
    FROM generations_generationevent WHERE kind IN ('submitted', 'running', 'succeeded', 'failed', 'canceled')
)
SELECT 'generation ' || generation_id, format('its timeline goes from %%s to %%s.', coalesce(before, 'nothing'), kind)
FROM step WHERE (coalesce(before, ''), kind) NOT IN (
    ('', 'submitted'), ('submitted', 'running'), ('submitted', 'failed'), ('submitted', 'canceled'),
    ('running', 'succeeded'), ('running', 'failed'), ('running', 'canceled')
)
UNION ALL
SELECT 'generation ' || generation.id, format('it is %%s, its timeline says %%s.', generation.state, step.kind)
FROM generations_generation AS generation JOIN step ON step.generation_id = generation.id AND step.last
WHERE generation.state <> CASE step.kind WHEN 'submitted' THEN 'queued' ELSE step.kind END
UNION ALL
SELECT 'generation ' || step.generation_id, format('%%s comes after its end.', later.kind)
FROM step JOIN generations_generationevent AS later
  ON later.generation_id = step.generation_id AND later.sequence > step.sequence
WHERE step.last AND step.kind IN ('succeeded', 'failed', 'canceled') AND later.kind <> 'withdrawn'
UNION ALL
SELECT 'generation ' || id, format('it is %%s and started %%s.', state, coalesce(started_at::text, 'never'))
FROM generations_generation
WHERE state = 'queued' AND started_at IS NOT NULL OR state IN ('running', 'succeeded') AND started_at IS NULL
UNION ALL
SELECT 'generation ' || generation.id, format('it is %%s and its image %%s is %%s.',
    generation.state, output.index + 1, output.state)
FROM generations_generation AS generation JOIN generations_output AS output ON output.generation_id = generation.id
WHERE generation.ended_at IS NOT NULL AND output.state = 'open'
   OR generation.state = 'failed' AND output.state = 'delivered'
   OR generation.state = 'queued' AND output.state <> 'open'
"""
_TIMELINE = """
WITH line AS (
    SELECT generation_id, sequence, epoch, kind, data ->> 'index' AS index,
           lag(epoch) OVER (PARTITION BY generation_id ORDER BY sequence) AS before
    FROM generations_generationevent
), told AS (
    SELECT generation_id, count(*) AS lines, min(sequence) AS first, max(sequence) AS last, max(epoch) AS epoch,
           bool_or(epoch < before) AS back, count(*) FILTER (WHERE kind = 'delivered') AS delivered,
           count(DISTINCT index) FILTER (WHERE kind = 'delivered') AS slots,
           count(*) FILTER (WHERE kind = 'withdrawn') AS withdrawn
    FROM line GROUP BY generation_id
), made AS (
    SELECT generation_id, count(*) FILTER (WHERE image_id IS NOT NULL) AS delivered,
           count(*) FILTER (WHERE state = 'withdrawn') AS withdrawn
    FROM generations_output GROUP BY generation_id
)
SELECT 'generation ' || generation.id, CASE
    WHEN told.lines IS NULL THEN 'it has no timeline.'
    WHEN told.first <> 1 OR told.last <> told.lines
        THEN format('its timeline has %%s lines, numbered from %%s to %%s.', told.lines, told.first, told.last)
    WHEN told.back THEN 'a line of its timeline was written under an older lease than the one before.'
    WHEN told.epoch > generation.lease_epoch
        THEN format('its timeline knows lease %%s, the row only %%s.', told.epoch, generation.lease_epoch)
    ELSE format('%%s images were delivered and %%s withdrawn, its timeline tells of %%s and %%s.',
        coalesce(made.delivered, 0), coalesce(made.withdrawn, 0), told.delivered, told.withdrawn) END
FROM generations_generation AS generation
LEFT JOIN told ON told.generation_id = generation.id LEFT JOIN made ON made.generation_id = generation.id
WHERE told.lines IS NULL OR told.first <> 1 OR told.last <> told.lines OR told.back
   OR told.epoch > generation.lease_epoch OR told.slots <> told.delivered
   OR told.delivered <> coalesce(made.delivered, 0) OR told.withdrawn <> coalesce(made.withdrawn, 0)
"""
# An alarm is a lease that is alive, a time to be looked at, or a job that waits or that a living worker does.
_ALARMS = """
WITH job AS (
    SELECT job.id, job.status, job.args ->> 'generation_id' AS generation_id,
           worker.last_heartbeat > now() - interval '60 seconds' AS alive
    FROM procrastinate_jobs AS job LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
    WHERE job.status IN ('todo', 'doing') AND job.task_name = %(task)s
)
SELECT 'job ' || job.id, format('it is still at generation %%s, which ended %%s.', generation.id, generation.ended_at)
FROM job JOIN generations_generation AS generation ON generation.id::text = job.generation_id
WHERE job.status = 'doing' AND generation.ended_at < now() - %(late)s * interval '1 second'
UNION ALL
SELECT 'generation ' || id, format('it is %%s and nothing will wake it.', state) FROM generations_generation
WHERE state IN ('queued', 'running')
  AND greatest(lease_expires_at, wake_at, created_at) < now() - %(grace)s * interval '1 second'
  AND id::text NOT IN (SELECT generation_id FROM job WHERE (status = 'todo' OR alive) AND generation_id IS NOT NULL)
"""


def ends_in_time() -> list[Violation]:
    """I-4: nothing runs or waits past its time, and a hold is open exactly as long as its generation."""
    limits = catalog.current().limits
    times = {"running": limits.generation_seconds, "queued": limits.queued_hours, "grace": OVERTIME_SECONDS}
    return _found("I-4", _ENDS_IN_TIME, times)


def leases_are_taken_over() -> list[Violation]:
    """I-5: no lease is past its end for longer than a take-over needs."""
    return _found("I-5", _LEASES, {"grace": TAKEOVER_SECONDS})


def charged_for_what_is_seen() -> list[Violation]:
    """I-9: captured minus returned is the price of the visible images, for each ended generation."""
    return _found("I-9", _BILL, {})


def slots_are_those_asked_for() -> list[Violation]:
    """I-10: a generation has one slot for each image asked for, numbered from 0."""
    return _found("I-10", _SLOTS, {})


def states_follow_the_graph() -> list[Violation]:
    """I-12: states moved along the declared graph only, and what ended stayed so."""
    return _found("I-12", _GRAPH, {})


def timelines_are_whole() -> list[Violation]:
    """I-13: lines without gaps, under leases that never go back, one for each image delivered or withdrawn."""
    return _found("I-13", _TIMELINE, {})


def alarms_are_set() -> list[Violation]:
    """I-17: what is in hand will be looked at again, and no job works on what ended long ago."""
    seconds = {"late": LATE_JOB_SECONDS, "grace": UNHEARD_SECONDS}
    return _found("I-17", _ALARMS, {"task": alarms.ADVANCE, **seconds})


def _found(invariant: str, query: str, values: Mapping[str, int | str]) -> list[Violation]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [Violation(invariant, subject, sentence) for subject, sentence in cursor.fetchall()]
