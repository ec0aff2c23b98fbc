"""Whether a request's key or session is a good one: asked before its body may be large.

The doors' own code answers. What the request may do then is for the doors to say, and they look again.
"""

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse

from gesso.api import keys, refusals


def good(request: HttpRequest) -> bool:
    """Say whether an active key or the session of somebody signed in comes with the request."""
    if "Authorization" in request.headers:
        try:
            keys.caller(request)
        except refusals.Refusal:
            pass  # there may be a session
        else:
            return True
    SessionMiddleware(_nothing).process_request(request)
    AuthenticationMiddleware(_nothing).process_request(request)
    return request.user.is_authenticated


def _nothing(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()
