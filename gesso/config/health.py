"""`/livez`: this process answers. `/readyz`: it could do its work now, part by part, for load balancers and people.

Neither tells a stranger more than a word for each part.
"""

import uuid
from collections.abc import Callable

import structlog
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from gesso.generations import recovery
from gesso.images import storage

SWEEP_AGE_SECONDS = 30  # the recovery loop runs every 5 s

log = structlog.get_logger()


NOT_KEPT = {"Cache-Control": "no-store"}


@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    """Answer 200 while this process takes requests."""
    return HttpResponse("ok", content_type="text/plain", headers=NOT_KEPT)


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Answer 200 when every part is well, otherwise 503; the body names each part and says `ok` or what is so."""
    parts = {name: _word(name, check) for name, check in _CHECKS.items()}
    return JsonResponse(parts, status=200 if all(word == "ok" for word in parts.values()) else 503, headers=NOT_KEPT)


def _word(name: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as problem:  # whatever it is, this part is not well, and the log says why
        log.warning("a part is not ready", part=name, exc_info=problem)
        return "failed"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _storage() -> str:
    """Ask for the size of a key that can't exist: proves that the storage answers, and writes nothing."""
    storage.current().size(f"probe/{uuid.uuid4().hex}")
    return "ok"


def _queue() -> str:
    return "overloaded" if recovery.overload() else "ok"


def _recovery() -> str:
    age = recovery.last_sweep_age()
    if age is None:
        return "not started"
    return "ok" if age < SWEEP_AGE_SECONDS else "stalled"


_CHECKS = {"database": _database, "storage": _storage, "queue": _queue, "recovery": _recovery}
