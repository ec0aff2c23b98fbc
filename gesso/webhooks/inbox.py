"""The inbox: what a gateway tells is proved, stored once and answered; then somebody looks at what it names.

Invariants: a body that is not proved leaves no trace; the same delivery again stores nothing; an event is handled by
looking at the gateway, so handling it twice is harmless. Nothing here moves credits: `billing.fulfilment` does.
"""

import datetime
from collections.abc import Mapping
from typing import Any

import structlog
from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from gesso.billing import fulfilment, registry
from gesso.billing.gateways import protocol
from gesso.core import clock
from gesso.webhooks.models import WebhookEvent

BODY_BYTES = 256 * 1024
PAUSES = (10, 60, 300, 900, 3600, 3600, 3600)  # seconds until it is tried again, then reconciliation has long found it
HAND_SECONDS = 120  # an event in somebody's hands is not given to another for so long

log = structlog.get_logger()

_STORE = """
INSERT INTO webhooks_webhookevent
    (gateway, external_id, type, live, subjects, payload, received_at, due_at, tries, handled_at, changes, failed)
VALUES (%s, %s, %s, %s, %s, %s, now(), %s, 0, %s, '[]', '') ON CONFLICT (gateway, external_id) DO NOTHING
"""
_TAKE = """
UPDATE webhooks_webhookevent SET due_at = now() + %s * interval '1 second', tries = tries + 1 WHERE id = (
    SELECT id FROM webhooks_webhookevent WHERE due_at <= now() ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id
"""


def receive(till: protocol.Gateway, body: bytes, headers: Mapping[str, str]) -> bool:
    """Prove and store a webhook; returns whether it was new. Raises protocol.BadSignature."""
    notice = till.hear(body, headers)
    now = timezone.now()
    subjects = [[subject.kind, subject.id] for subject in notice.subjects]
    wanted = bool(subjects) and notice.live == till.live
    row: list[Any] = [till.name, notice.id[:255], notice.type[:80], notice.live, Jsonb(subjects), body,
           now if wanted else None, None if wanted else now]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_STORE, row)
        return bool(cursor.rowcount)


def handle_due() -> int:
    """Handle every event that is due, one after the other; returns how many. Safe beside others who do the same."""
    handled = 0
    while (number := _take()) is not None:
        handle(number)
        handled += 1
    return handled


def _take() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [HAND_SECONDS])
        row = cursor.fetchone()
    return row[0] if row else None


def handle(number: int) -> None:
    """Look at what an event names and bring our rows in line. What fails is tried again later, and says why."""
    event = WebhookEvent.objects.get(id=number)
    rows = WebhookEvent.objects.filter(id=number)
    changes: list[str] = []
    try:
        till = registry.find(event.gateway)
        for kind, subject in event.subjects:
            changes += fulfilment.apply(till.name, till.look(protocol.Subject(kind, subject)))
    except (protocol.Unavailable, protocol.Refused) as problem:
        pause = PAUSES[event.tries - 1] if event.tries <= len(PAUSES) else None
        again = clock.now() + datetime.timedelta(seconds=pause) if pause else None
        rows.update(due_at=again, failed=str(problem)[:500])
        log.warning("a webhook could not be handled", event_id=number, reason=str(problem), again_at=str(again))
    else:
        rows.update(due_at=None, handled_at=clock.now(), changes=changes, failed="")
