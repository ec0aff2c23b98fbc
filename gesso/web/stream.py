"""The event stream of a page: what changed in its workspace, as it happens, and a sign of life in between.

Nothing is replayed: a page that may have missed something (it sends `after`, or the browser's Last-Event-ID) is told to
resync, and one that shows another balance (`available`) than there is by now hears so at once. The view is ordinary and
synchronous; the generator holds no database connection and reaches the database only through `in_thread`. While a page
listens, a Watch row says that previews are worth asking for.
"""

import importlib
import time
import uuid
from collections.abc import AsyncIterator

from django.conf import settings
from django.contrib import auth
from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from gesso.accounts.models import Membership
from gesso.core import transactions
from gesso.credits import queries
from gesso.generations import broadcast
from gesso.web import access

BEAT_SECONDS = 15.0  # between signs of life; each also renews the watch
WATCH_SECONDS = 40  # how long one sign of life says that somebody looks
CHECK_SECONDS = 45.0  # between looks at the session (at most 60, REQ-61)
RETRY_MILLISECONDS = 1000  # the browser's own pause before it connects again

_WATCH = """
INSERT INTO generations_watch (workspace_id, until) VALUES (%(workspace)s, now() + make_interval(secs => %(seconds)s))
ON CONFLICT (workspace_id) DO UPDATE SET until = GREATEST(generations_watch.until, EXCLUDED.until)
"""


@require_GET
@access.signed_in
def events(request: access.Request) -> StreamingHttpResponse:
    """Stream the workspace's notices: `changed` (a generation's id), `preview`, `balance`, `resync`."""
    missed = "after" in request.GET or "Last-Event-ID" in request.headers
    session_key = request.session.session_key or ""
    lines = _lines(request.workspace.id, session_key, missed=missed, shown=request.GET.get("available", ""))
    response = StreamingHttpResponse(lines, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy in front passes each line on at once
    return response


async def _lines(workspace_id: uuid.UUID, session_key: str, *, missed: bool, shown: str = "") -> AsyncIterator[str]:
    async with broadcast.HUB.subscribe(workspace_id) as notices:
        yield f"retry: {RETRY_MILLISECONDS}\n" + _event("resync" if missed else "")
        if shown and not missed and await transactions.in_thread(_available, workspace_id) != shown:
            yield _event("balance")
        due = checked = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= due:
                due = now + BEAT_SECONDS
                if now - checked >= CHECK_SECONDS:
                    checked = now
                    if not await transactions.in_thread(_still_welcome, workspace_id, session_key):
                        return
                await transactions.in_thread(_watch, workspace_id)
                yield ": alive\n\n"
            try:
                notice = await notices.get(max(0.0, due - time.monotonic()))
            except TimeoutError:
                continue
            if notice is None:
                return
            yield _said(notice)


def _said(notice: broadcast.Notice) -> str:
    match notice.kind:
        case "generation":
            return _event("changed", notice.generation_id)
        case "preview":
            return _event("preview", " ".join([notice.generation_id, *map(str, notice.data)]))
    return _event(notice.kind)


def _event(name: str, data: str = "1") -> str:
    """Return one event; without a name only its id, which the browser sends back when it connects again."""
    number = f"id: {time.time_ns() // 1_000_000}\n"
    return f"{number}event: {name}\ndata: {data}\n\n" if name else f"{number}\n"


def _available(workspace_id: uuid.UUID) -> str:
    return str(queries.balance(workspace_id).available)


def _watch(workspace_id: uuid.UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_WATCH, {"workspace": workspace_id, "seconds": WATCH_SECONDS})


def _still_welcome(workspace_id: uuid.UUID, session_key: str) -> bool:
    """Say whether the session still signs in an active member of the workspace."""
    request = HttpRequest()
    request.session = importlib.import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = auth.get_user(request)  # also checks the session's hash: a new password ends it
    if not user.is_authenticated or not user.is_active:
        return False
    return Membership.objects.filter(workspace_id=workspace_id, user_id=user.pk).exists()
