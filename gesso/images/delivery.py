"""Serving bytes: right types, private, immutable, downloads named after the prompt. The door has checked who asks.

A local file is streamed, once its bytes are known to be the ones delivered; a bucket's object is reached by a redirect
to a short-lived address. Nothing but PNG, JPEG and WebP is ever named as a type, and a browser may run nothing that it
gets from here.
"""

import hashlib
import io
import pathlib
import re
import unicodedata
import urllib.parse
from typing import BinaryIO

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.http import parse_etags

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

    Honours HEAD, If-None-Match and a single Range. Raises storage.Missing and storage.Unavailable.
    """
    if image.verdict != Image.Verdict.ALLOWED or image.broken_at:
        return HttpResponse(status=404)
    etag = f'"{bytes(image.sha256).hex()}-{variant}"'
    asked = parse_etags(request.headers.get("If-None-Match", ""))
    if "*" in asked or etag in {tag.removeprefix("W/") for tag in asked}:
        return _dressed(HttpResponse(status=304), etag)
    try:
        content = renditions.read(image, variant)
    except renditions.Undecodable:
        return HttpResponse(status=404)
    shown = disposition(filename(image, content.media_type), inline=not download)
    store = storage.current()
    seconds = DOWNLOAD_SECONDS if download else VIEW_SECONDS
    address = store.presigned(content.key, seconds=seconds, media_type=content.media_type, disposition=shown)
    if address and request.method != "HEAD":  # it is signed for a GET
        away = HttpResponseRedirect(address)
        away["Cache-Control"] = f"private, max-age={seconds // 2}"
        away["Referrer-Policy"] = "no-referrer"
        return away
    file = _opened(store, content.key)
    if content.key == image.storage_key and not _delivered(file, image):
        file.close()
        return HttpResponse(status=404)
    response = _body(request, file, content)
    response["Content-Disposition"] = shown
    return _dressed(response, etag)


def _opened(store: storage.Storage, key: str) -> BinaryIO:
    path: pathlib.Path | None = store.local_path(key)
    if path is None:
        return io.BytesIO(store.get(key))
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise storage.Missing(key) from None
    except OSError as error:
        raise storage.Unavailable(f"the disk says: {error.strerror}") from error


def _delivered(file: BinaryIO, image: Image) -> bool:
    """Whether the bytes are still those that were delivered (about 1 ms for each 1.5 MB); leaves the file at its start.

    What was made from them is not checked: it has no hash, and only we can write there.
    """
    digest = hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]  # a BinaryIO is what it takes
    file.seek(0)
    return digest == bytes(image.sha256)


def _body(request: HttpRequest, file: BinaryIO, content: renditions.Content) -> HttpResponseBase:
    """Return the whole file, the one range that was asked for, or (HEAD) only what would be said about it."""
    asked = request.headers.get("Range", "")
    # An answer to If-Range would need a comparison of its own: without one, the whole is always right.
    part = None if "If-Range" in request.headers else _range(asked, content.size)
    if part is not None and not part:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{content.size}"})
    response: HttpResponseBase
    if request.method == "HEAD":
        file.close()
        response = HttpResponse(content_type=content.media_type, headers={"Content-Length": str(content.size)})
    elif part:
        with file:
            file.seek(part.start)
            response = HttpResponse(file.read(len(part)), status=206, content_type=content.media_type)
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{content.size}"
        response["Content-Length"] = str(len(part))
    else:
        response = FileResponse(file, content_type=content.media_type, headers={"Content-Length": str(content.size)})
    response["Accept-Ranges"] = "bytes"
    return response


def _range(asked: str, size: int) -> range | None:
    """Return the bytes of a single range, an empty range for one beyond the end, None for anything else."""
    found = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", asked.strip())
    if not found or found[0] == "bytes=-":
        return None
    if not found[1]:
        return range(max(0, size - int(found[2])), size)
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    return None if found[2] and last < first else range(first, min(last + 1, size))


def _dressed(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    if response.status_code != 416:
        response["ETag"] = etag
        response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-site"
    return response


def filename(image: Image, media_type: str) -> str:
    """Return a name for a download: the first words of prompt or upload, a short id, the true extension."""
    # Letters, their marks (without which Hindi or Thai falls apart) and digits of any script; the rest parts words.
    letters = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in image.label)
    words = unicodedata.normalize("NFC", "".join(letters)).lower().split()[:_NAME_WORDS]
    name = "-".join(words)[:_NAME_CHARACTERS].strip("-") or "image"
    return f"{name}-{str(image.id)[-6:]}.{_EXTENSIONS[media_type]}"


def disposition(name: str, *, inline: bool) -> str:
    """Return a Content-Disposition with an ASCII name and, where needed, the full one (RFC 6266, RFC 5987)."""
    kind = "inline" if inline else "attachment"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "image"
    if plain == name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"
