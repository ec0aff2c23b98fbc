"""Serving bytes: right types, private, immutable, downloads named after the prompt. The door has checked who asks.

A local file is streamed; a bucket's object is reached by a redirect to a short-lived address. Nothing but PNG, JPEG and
WebP is ever named as a type, and a browser may run nothing that it gets from here.
"""

import re
import unicodedata
import urllib.parse

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect

from gesso.images import renditions, storage
from gesso.images.models import Image

VIEW_SECONDS = 15 * 60
DOWNLOAD_SECONDS = 5 * 60
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_NAME_WORDS, _NAME_CHARACTERS = 8, 60


def respond(
    request: HttpRequest, image: Image, variant: renditions.Variant, *, download: bool = False
) -> HttpResponseBase:
    """Return the bytes of `variant` of an image that the asker may see; 404 for one that nobody may.

    Honours If-None-Match. Raises storage.Missing and storage.Unavailable.
    """
    if image.verdict != Image.Verdict.ALLOWED or image.broken_at:
        return HttpResponse(status=404)
    etag = f'"{bytes(image.sha256).hex()[:32]}-{variant}"'
    if request.headers.get("If-None-Match") == etag:
        return _dressed(HttpResponse(status=304), etag)
    try:
        content = renditions.read(image, variant)
    except renditions.Undecodable:
        return HttpResponse(status=404)
    shown = disposition(filename(image, content.media_type), inline=not download)
    store = storage.current()
    seconds = DOWNLOAD_SECONDS if download else VIEW_SECONDS
    if address := store.presigned(content.key, seconds=seconds, media_type=content.media_type, disposition=shown):
        away = HttpResponseRedirect(address)
        away["Cache-Control"] = f"private, max-age={seconds // 2}"
        away["Referrer-Policy"] = "no-referrer"
        return away
    path = store.local_path(content.key)
    response: HttpResponseBase
    if path is not None:
        response = FileResponse(path.open("rb"), content_type=content.media_type)
    else:
        response = HttpResponse(store.get(content.key), content_type=content.media_type)
    response["Content-Length"] = str(content.size)
    response["Content-Disposition"] = shown
    return _dressed(response, etag)


def _dressed(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["ETag"] = etag
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-site"
    return response


def filename(image: Image, media_type: str) -> str:
    """Return a name for a download: the first words of prompt or upload, a short id, the true extension."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", image.label))[:_NAME_WORDS]
    name = "-".join(words).lower()[:_NAME_CHARACTERS].strip("-") or "image"
    return f"{name}-{str(image.id)[-6:]}.{_EXTENSIONS[media_type]}"


def disposition(name: str, *, inline: bool) -> str:
    """Return a Content-Disposition with an ASCII name and, where needed, the full one (RFC 6266, RFC 5987)."""
    kind = "inline" if inline else "attachment"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "image"
    if plain == name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"
