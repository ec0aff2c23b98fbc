"""The headers of every answer: what a page may load and run, who may frame it, what it tells others.

Invariant: no answer leaves without a Content-Security-Policy, and none allows inline script, inline style or a
wildcard. A view that needs a stricter policy (a stored picture) sets its own, which is kept.
"""

import functools
import urllib.parse
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from gesso.billing import registry

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
        if "public" in response.get("Cache-Control", ""):
            # The check of forms looks into the session of every request; a public page says the same to everybody.
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
        "img-src": ["'self'", "blob:", *_bucket_origins(ours.storage_url)],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'", *hosts, *tills],  # browsers apply it to the redirect after the form, too
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in directives.items())


def _bucket_origins(storage_url: str) -> list[str]:
    """Return the origins that a bucket's presigned addresses lead to: in the path's style and in the host's."""
    url = urllib.parse.urlsplit(storage_url)
    if url.scheme != "s3":
        return []
    options = urllib.parse.parse_qs(url.query)
    region = options.get("region", ["us-east-1"])[0]
    endpoint = urllib.parse.urlsplit(options.get("endpoint", [f"https://s3.{region}.amazonaws.com"])[0])
    return [f"{endpoint.scheme}://{endpoint.netloc}", f"{endpoint.scheme}://{url.netloc}.{endpoint.netloc}"]
