"""The modules of a page, sent as one file: small sources, few requests, no build step.

A module here imports nothing and exports nothing (they speak by events), so each one can stand in a block of its own in
one script. The address carries the digest of what it serves and may be kept for ever.
"""

import functools
import gzip
import hashlib
import pathlib

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

SOURCES = pathlib.Path(__file__).parent / "static" / "gesso" / "js"
ALIVE = ("clocks", "page")  # on every signed-in page
BUNDLES = {
    "studio": (
        "feed", "retries", "previews", "composer", "price", "submit", "sheet", "references", "focus", "reorder",
        "uploads", "drafts", "marks", "downloads", "renewal", "stream", *ALIVE,
    ),
    "feed": ("feed", "retries", "previews", "marks", "downloads", "renewal", "stream", *ALIVE),  # no usable model
    "live": ("renewal", "stream", *ALIVE),
    "still": ALIVE,
}  # fmt: skip
FOR_EVER = "public, max-age=31536000, immutable"
FOR_NOW = "public, max-age=60"


@functools.cache
def source(name: str) -> bytes:
    """Return the text of bundle `name`: each module in a block, so that their names don't meet."""
    texts = [(SOURCES / f"{module}.js").read_text() for module in BUNDLES[name]]
    return "".join(f"{{\n{text}}}\n" for text in texts).encode()


@functools.cache
def address(name: str) -> str:
    """Return where bundle `name` is served."""
    return f"/scripts/{name}-{_digest(name)}.js"


@functools.cache
def _digest(name: str) -> str:
    return hashlib.sha256(source(name)).hexdigest()[:12]


@functools.cache
def _packed(name: str) -> bytes:
    return gzip.compress(source(name), mtime=0)


@require_safe
def serve(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """Send a bundle. A page from before an update gets the present one, kept only for a moment."""
    if name not in BUNDLES:
        raise Http404
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(_packed(name) if packed else source(name), content_type="text/javascript; charset=utf-8")
    if packed:
        response["Content-Encoding"] = "gzip"
    response["Vary"] = "Accept-Encoding"
    response["Cache-Control"] = FOR_EVER if digest == _digest(name) else FOR_NOW
    return response
