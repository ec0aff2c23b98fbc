"""The door of both APIs: a number for each request, no cookies, and every refusal in the API's own envelope.

Invariant: whatever happens behind it, the answer has X-Request-Id, is not cached unless it says so itself, and a
status of 400 or above has a JSON body with a stable code. Which code belongs to what is in `refusals`.
"""

import contextvars
import functools
from collections.abc import Callable
from typing import Any

import orjson
import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from gesso.api import refusals
from gesso.api.refusals import Told
from gesso.core import ids

Envelope = Callable[[Told], dict[str, Any]]
_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("api_request_id")
_BARE = {
    404: refusals.NOT_FOUND,
    405: Told(405, "method_not_allowed", "This address doesn't take that method; see the Allow header."),
    416: Told(416, "bad_range", "The range lies outside the file."),
}
_KEPT = {"Allow", "Content-Range"}  # of a bare answer: what its status is about

log = structlog.get_logger()


def request_id() -> str:
    """Return the number of the request in hand, as X-Request-Id and error bodies give it."""
    return _request_id.get()


def opened(view: Callable[..., HttpResponseBase], envelope: Envelope) -> Callable[..., HttpResponseBase]:
    """Let requests in to `view`. Tokens against forged forms don't apply: a cookie opens nothing here."""

    @csrf_exempt
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        _request_id.set(f"req_{ids.uuid7().hex}")
        with structlog.contextvars.bound_contextvars(request_id=request_id()):
            response = guard(lambda: view(request, *args, **kwargs), envelope)
        if response.status_code >= 400 and response.get("Content-Type") != "application/json":
            told = _BARE.get(response.status_code, Told(response.status_code, "refused", response.reason_phrase))
            bare, response = response, answer(told, envelope)
            for name in _KEPT & bare.headers.keys():
                response[name] = bare[name]
        return _dressed(response)

    return guarded


def guard(build: Callable[[], HttpResponseBase], envelope: Envelope) -> HttpResponseBase:
    """Return what `build` returns, or the refusal that fits what it raised."""
    try:
        return build()
    except Exception as problem:  # noqa: BLE001 (this is where the API's failures end: in the log and in an answer)
        return refuse(problem, envelope)


def refuse(problem: Exception, envelope: Envelope) -> HttpResponse:
    """Return the answer for `problem`; one that the table doesn't know is logged whole and told as ours."""
    told = refusals.describe(problem)
    if told is None or told.status >= 500:
        log.error("an API request failed", request_id=request_id(), exc_info=problem)
    return answer(told or refusals.INTERNAL, envelope)


def answer(told: Told, envelope: Envelope) -> HttpResponse:
    """Return a refusal as a response."""
    response = HttpResponse(orjson.dumps(envelope(told)), status=told.status, content_type="application/json")
    if told.retry_after:
        response["Retry-After"] = str(told.retry_after)
    if told.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def ours(told: Told) -> dict[str, Any]:
    """Return the native API's envelope."""
    field = {"field": told.field} if told.field else {}
    return {"error": {"code": told.code, "message": told.message, **field, "request_id": request_id()}}


def _dressed(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("X-Request-Id", request_id())
    response.headers.setdefault("Cache-Control", "no-store")
    return response
