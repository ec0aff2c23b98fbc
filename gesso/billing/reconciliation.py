"""Looking at the gateways without being told: what webhooks missed in the last days is found and mended, and said.

A gateway gives up its deliveries after an hour (Creem) or three days (Stripe). Rounds may overlap without harm, since
what is known changes nothing; the row of the last round says when the next is due. What can't be looked at is said in
the round's row and keeps nothing else from being looked at; only a gateway that does not answer ends the round.
"""

import datetime
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError

from gesso.billing import looking, registry
from gesso.billing.gateways import protocol
from gesso.billing.models import Reconciliation
from gesso.core import clock

DAYS = 7
EVERY = datetime.timedelta(minutes=15)
KEPT = datetime.timedelta(days=90)
FAILED_CHARACTERS = 500

log = structlog.get_logger()


def run_due(stopped: Callable[[], bool] = lambda: False) -> list[Reconciliation]:
    """Reconcile each gateway whose last round began long enough ago; returns the rounds that were made."""
    return [run(till, stopped=stopped) for till in registry.configured().values() if _is_due(till.name)]


def _is_due(gateway: str) -> bool:
    newest = Reconciliation.objects.filter(gateway=gateway).order_by("-began_at").first()
    return newest is None or newest.began_at <= clock.now() - EVERY


def run(till: protocol.Gateway, *, days: int = DAYS, stopped: Callable[[], bool] = lambda: False) -> Reconciliation:
    """Look at everything that may have changed in the last `days` and bring our rows in line.

    A gateway that does not answer ends the round, and the row says so; what was mended until then stays mended.
    """
    now = clock.now()
    made = Reconciliation.objects.create(gateway=till.name, began_at=now)
    problems: list[str] = []
    try:
        for subject in till.changed_since(now - datetime.timedelta(days=days)):
            if stopped():
                problems.append("The worker was stopped.")
                break
            _look(till, subject, made, problems)
    except (protocol.Unavailable, protocol.Refused) as problem:
        problems.append(str(problem))
    made.failed = " ".join(problems)[:FAILED_CHARACTERS]
    made.ended_at = clock.now()
    made.save()
    if made.failed:
        log.warning("a reconciliation is not whole", gateway=till.name, reason=made.failed)
    Reconciliation.objects.filter(gateway=till.name, began_at__lt=now - KEPT).delete()
    return made


def _look(till: protocol.Gateway, subject: protocol.Subject, made: Reconciliation, problems: list[str]) -> None:
    """Look at one thing and note what was mended at once, so that it is known even if this process dies."""
    try:
        found = looking.look(till, subject)
    except protocol.Refused as problem:
        problems.append(f"{subject.kind} {subject.id}: {problem}")
        return
    except (protocol.Unavailable, OperationalError, InterfaceError):
        raise
    except Exception as problem:
        log.exception("something at a gateway could not be looked at", gateway=till.name, subject=subject.id)
        problems.append(f"{subject.kind} {subject.id}: an unexpected {type(problem).__name__}; the log has it.")
        return
    made.looked_at += 1
    if found:
        made.mended += found
        made.save(update_fields=["mended", "looked_at"])
    for sentence in found:
        log.warning("reconciliation found what no webhook had said", gateway=till.name, found=sentence)
