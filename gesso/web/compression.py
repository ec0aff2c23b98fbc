"""Pages and fragments leave compressed: a studio of 24 cards is 128 kB of markup, and a tenth of that on the wire.

isal does it in a fraction of zlib's time. A page that is not to be kept (`no-store`) may show a secret, and what an
attacker can measure through its compressed length (BREACH) is not offered: it leaves as it is. Tokens of forms are
masked anew in each answer by Django.
"""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from isal import igzip

WORTH_IT = 1_000  # bytes
LEVEL = 1  # of isal's 0 to 3
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0+)?\s*(,|$))")


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Compress what is text, whole and worth it, for clients that take it."""

    def compressed(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not isinstance(response, HttpResponse) or not _may_be(response):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        if _GZIP.search(request.headers.get("Accept-Encoding", "")):
            response.content = igzip.compress(response.content, compresslevel=LEVEL, mtime=0)
            response["Content-Encoding"] = "gzip"
            response["Content-Length"] = str(len(response.content))
        return response

    return compressed


def _may_be(response: HttpResponse) -> bool:
    return (
        response.get("Content-Type", "").startswith("text/html")
        and not response.streaming
        and not response.has_header("Content-Encoding")
        and "no-store" not in response.get("Cache-Control", "")
        and len(response.content) >= WORTH_IT
    )
