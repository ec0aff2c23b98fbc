"""The headers of every answer: what a page may load and run, who may frame it, what it tells others.

Invariant: no answer leaves without a Content-Security-Policy, and none allows inline script, inline style or a
wildcard. A view that needs a stricter policy (a stored picture) sets its own, which is kept.
"""

import functools
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from gesso.billing import registry
from gesso.images import storage

SENSORS = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "microphone",
    "midi",
    "payment",
    "usb",
)
SIGN_IN_HOSTS = {"google": "https://accounts.google.com", "github": "https://github.com"}
SIGN_OUT = "/accounts/logout/"
PERMISSIONS = ", ".join(f"{name}=()" for name in SENSORS)


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Add the headers that an answer does not have yet."""

    def add(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy())
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        if "Cookie" in response.get("Vary", ""):
            # A page about somebody: the browser may go back to it, and asks again when it is opened anew.
            response.headers.setdefault("Cache-Control", "private, no-cache")
        if request.path == SIGN_OUT and request.method == "POST":
            response["Clear-Site-Data"] = '"cache"'  # pages and pictures that the next person at this screen could see
        if "public" in response.get("Cache-Control", ""):
            # The check of forms looks into the session of every request; a public page says the same to everybody, and
            # a cache may give it to anybody: no cookie goes with it.
            response.cookies.clear()
            varies = [name for name in response.get("Vary", "").split(", ") if name not in {"", "Cookie"}]
            response.headers.pop("Vary", None)
            if varies:
                response.headers["Vary"] = ", ".join(varies)
        return response

    return add


@functools.cache
def policy() -> str:
    """Return the Content-Security-Policy of our pages on this install."""
    ours = settings.GESSO
    hosts = [host for name, host in SIGN_IN_HOSTS.items() if getattr(ours, name)]
    tills = sorted({origin for till in registry.configured().values() for origin in till.page_origins})
    directives = {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "blob:", *filter(None, [storage.current().origin])],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'", *hosts, *tills],  # browsers apply it to the redirect after the form, too
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in directives.items())
