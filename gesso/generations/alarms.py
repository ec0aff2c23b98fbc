"""Alarm clocks: jobs that say "look at this row". They carry ids only; losing all of them loses no work (law 2).

Jobs are deferred on Django's connection, so that one commit makes the row and its alarm true together. It is
Procrastinate's own function in the database that defers them; its Python around it costs four times the statement.
"""

import uuid
from collections.abc import Sequence

from django.db import connection

ADVANCE = "advance"
GENERATIONS = "generations"

# The fields of a job to defer: queue, task, priority, lock, queueing lock, arguments, not before.
_DEFER = """
SELECT procrastinate_defer_jobs_v1(array_agg(
    ROW(%s, %s, 0, NULL, NULL, jsonb_build_object('generation_id', number), NULL)::procrastinate_job_to_defer_v1
)) FROM unnest(%s::uuid[]) AS number
"""


def ring(generation_ids: Sequence[uuid.UUID]) -> None:
    """Ask a worker to advance these generations."""
    if generation_ids:
        with connection.cursor() as cursor:
            cursor.execute(_DEFER, [GENERATIONS, ADVANCE, list(generation_ids)])
