"""The inbox: what a gateway tells is proved, stored once and answered; then somebody looks at what it names.

Invariants: a body that is not proved leaves no trace; the same delivery again stores nothing; an event is handled by
looking at the gateway, so handling it twice is harmless. One that fails waits and keeps no other waiting; it is given
up after the last of its pauses, and its row says so. Nothing here moves credits: `billing.fulfilment` does.
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from gesso.billing import looking, registry
from gesso.billing.gateways import protocol
from gesso.core import clock
from gesso.webhooks.models import WebhookEvent

PAUSES = (10, 60, 300, 900, 3600, 3600, 3600)  # seconds until it is tried again, then reconciliation has long found it
HAND_SECONDS = 120  # an event in somebody's hands is not given to another for so long
KEPT = datetime.timedelta(days=90)

log = structlog.get_logger()

_STORE = """
INSERT INTO webhooks_webhookevent
    (gateway, external_id, type, live, subjects, payload, received_at, due_at, tries, handled_at, changes, failed)
VALUES (%s, %s, %s, %s, %s, %s, now(), CASE WHEN %s THEN now() END, 0, CASE WHEN NOT %s THEN now() END, '[]', '')
ON CONFLICT (gateway, external_id) DO NOTHING
"""
_TAKE = """
UPDATE webhooks_webhookevent SET due_at = now() + %s * interval '1 second', tries = tries + 1 WHERE id = (
    SELECT id FROM webhooks_webhookevent WHERE due_at <= now() ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id
"""


def receive(till: protocol.Gateway, body: bytes, headers: Mapping[str, str]) -> bool:
    """Prove and store a webhook; returns whether it was new. Raises protocol.BadSignature."""
    notice = till.hear(body, headers)
    subjects = [[subject.kind, subject.id] for subject in notice.subjects]
    wanted = bool(subjects) and notice.live == till.live
    row: list[Any] = [
        till.name, notice.id[:255], notice.type[:80], notice.live, Jsonb(subjects), body, wanted, wanted,
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_STORE, row)
        return bool(cursor.rowcount)


def handle_due(stopped: Callable[[], bool] = lambda: False) -> int:
    """Handle every event that is due, one after the other, until `stopped`; returns how many.

    Safe beside others who do the same.
    """
    handled = 0
    while not stopped() and (number := _take()) is not None:
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
    changes: list[str] = list(event.changes)
    try:
        till = registry.find(event.gateway)
        for kind, subject in event.subjects:
            changes += looking.look(till, protocol.Subject(kind, subject))
    except (protocol.Unavailable, protocol.Refused) as problem:
        _try_again(event, changes, str(problem))
    except (OperationalError, InterfaceError):
        raise  # the database is away: nothing can be noted, and the event comes again when its time in hand is over
    except Exception as problem:
        log.exception("a webhook could not be handled, and nobody foresaw it", event_id=number)
        _try_again(event, changes, f"An unexpected {type(problem).__name__}; the log has it.")
    else:
        WebhookEvent.objects.filter(id=number).update(due_at=None, handled_at=Now(), changes=changes, failed="")


def _try_again(event: WebhookEvent, changes: list[str], reason: str) -> None:
    """Let the event wait for its next try, or give it up; what somebody else handled meanwhile stays handled."""
    pause = PAUSES[event.tries - 1] if event.tries <= len(PAUSES) else None
    again = clock.now() + datetime.timedelta(seconds=pause) if pause else None
    WebhookEvent.objects.filter(id=event.id, handled_at__isnull=True).update(
        due_at=again, failed=reason[:500], changes=changes
    )
    if again:
        log.warning("a webhook could not be handled", event_id=event.id, reason=reason, again_at=again.isoformat())
    else:
        log.error("a webhook was given up; reconciliation looks on", event_id=event.id, reason=reason)


def tidy() -> int:
    """Delete the events that were stored long ago and wait for nothing; returns how many."""
    rows = WebhookEvent.objects.filter(received_at__lt=clock.now() - KEPT, due_at__isnull=True)
    deleted, _ = rows.delete()
    return deleted
