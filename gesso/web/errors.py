"""The pages of what went wrong: what happened, what to do, and an id to copy where we are to blame.

They ask nothing of the database and show no account: a broken page must not break its own explanation.
"""

import uuid

import structlog
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

log = structlog.get_logger()


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 (Django's signature)
    """404: nothing here, or nothing that this person may see; the two are not told apart."""
    return _page(
        request, 404, "There is nothing here", "The address is wrong, or what was here belongs to someone else."
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 (Django's signature)
    """403: known, but not allowed."""
    return _page(
        request, 403, "This is not yours to do", "Your role in this workspace doesn't allow it. Nothing was changed."
    )


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 (Django's signature)
    """403 for a form without a valid token: usually an old page after signing in again, or no cookies."""
    return _page(
        request,
        403,
        "This page is too old",
        "You signed in or out since it was opened, or your browser keeps no cookies for this site. "
        "Load it again and repeat what you did.",
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request can't be read; 413 when that is because of its size."""
    if isinstance(exception, RequestDataTooBig):
        words = "The form is larger than this install takes. Nothing was changed."
        return _page(request, 413, "That is too much at once", words)
    if isinstance(exception, SessionInterrupted):
        words = "You were signed out elsewhere meanwhile. What you sent may have been done: look before you repeat it."
        return _page(request, 400, "Your sign-in ended", words)
    return _page(
        request, 400, "This request makes no sense here", "The address or the form is damaged. Nothing was changed."
    )


def too_many(request: HttpRequest) -> HttpResponse:
    """429: too many tries at signing in or up; allauth calls this and doesn't say how long to wait."""
    return _page(request, 429, "Too many tries", "Wait a few minutes, then try again.")


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault. The id is in the log beside what happened."""
    known = structlog.contextvars.get_contextvars().get("request_id")
    number = str(known or uuid.uuid4())
    if known is None:
        log.error("an error page was shown", request_id=number, path=request.path)
    words = "Something broke on our side. Credits on hold come back by themselves if nothing is delivered."
    return _page(request, 500, "This did not work", words, number)


def _page(request: HttpRequest, status: int, title: str, words: str, number: str = "") -> HttpResponse:
    context = {"status": status, "error_title": title, "words": words, "number": number}
    return render(request, "errors/page.html", context, status=status)
