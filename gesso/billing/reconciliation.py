"""Looking at the gateways without being told: what webhooks missed in the last days is found and mended, and said.

A gateway gives up its deliveries after an hour (Creem) or three days (Stripe). Rounds may overlap without harm, since
what is known changes nothing; the row of the last round says when the next is due.
"""

import datetime

import structlog

from gesso.billing import fulfilment, registry
from gesso.billing.gateways import protocol
from gesso.billing.models import Reconciliation
from gesso.core import clock

DAYS = 7
EVERY = datetime.timedelta(minutes=15)
KEPT = datetime.timedelta(days=90)

log = structlog.get_logger()


def run_due() -> list[Reconciliation]:
    """Reconcile each gateway whose last round began long enough ago; returns the rounds that were made."""
    return [run(till) for till in registry.configured().values() if _is_due(till.name)]


def _is_due(gateway: str) -> bool:
    newest = Reconciliation.objects.filter(gateway=gateway).order_by("-began_at").first()
    return newest is None or newest.began_at <= clock.now() - EVERY


def run(till: protocol.Gateway, *, days: int = DAYS) -> Reconciliation:
    """Look at everything that may have changed in the last `days` and bring our rows in line.

    A gateway that does not answer ends the round, and the row says so; what was mended until then stays mended.
    """
    now = clock.now()
    made = Reconciliation.objects.create(gateway=till.name, began_at=now)
    try:
        for subject in till.changed_since(now - datetime.timedelta(days=days)):
            made.mended += fulfilment.apply(till.name, till.look(subject))
            made.looked_at += 1
    except (protocol.Unavailable, protocol.Refused) as problem:
        made.failed = str(problem)[:500]
        log.warning("a reconciliation ended early", gateway=till.name, reason=made.failed)
    made.ended_at = clock.now()
    made.save()
    for sentence in made.mended:
        log.warning("reconciliation found what no webhook had said", gateway=till.name, found=sentence)
    Reconciliation.objects.filter(gateway=till.name, began_at__lt=now - KEPT).delete()
    return made
