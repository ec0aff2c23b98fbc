"""Webhooks, proved: each event is stored once and ends once. What its effects were is `billing.proof`."""

from django.db import connection

from gesso.core.violations import Violation

_TWICE = """
SELECT gateway, external_id, count(*) FROM webhooks_webhookevent GROUP BY 1, 2
HAVING count(*) > 1 OR bool_or(handled_at IS NOT NULL AND due_at IS NOT NULL)
"""


def heard_once() -> list[Violation]:
    """I-15: an event of a gateway is one row, and one that was handled is not handled again."""
    with connection.cursor() as cursor:
        cursor.execute(_TWICE)
        rows = cursor.fetchall()
    return [
        Violation("I-15", f"event {row[0]} {row[1]}", f"is there {row[2]} times, or due though handled.")
        for row in rows
    ]
