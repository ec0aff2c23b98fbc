"""The timeline of a generation: append-only lines, numbered without gaps, under the lease that wrote them.

Every caller holds the generation's row lock, so that numbers can't collide. How a line reads is the pages' matter.
"""

import uuid
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

_APPEND = """
INSERT INTO generations_generationevent (generation_id, sequence, epoch, at, kind, data)
SELECT %(generation)s, coalesce(max(sequence), 0) + 1, %(epoch)s, clock_timestamp(), %(kind)s, %(data)s
FROM generations_generationevent WHERE generation_id = %(generation)s
"""


def record(generation_id: uuid.UUID, kind: str, *, epoch: int, **data: object) -> None:
    """Append one line of `kind` with plain `data`, at the database's clock. The caller holds the row lock."""
    line: dict[str, Any] = {"generation": generation_id, "epoch": epoch, "kind": kind, "data": Jsonb(data)}
    with connection.cursor() as cursor:
        cursor.execute(_APPEND, line)
