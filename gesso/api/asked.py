"""Reading what a client sent: JSON objects, forms with files, idempotency keys. All of it is checked before use.

Nothing here knows what a generation is; a body that can be read is handed on as plain values.
"""

import hashlib

import orjson
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from gesso.api.refusals import Refusal
from gesso.generations import submission

KEY_CHARACTERS = 255
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
Files = dict[str, list["UploadedFile[bytes]"]]


def json_object(request: HttpRequest) -> dict[str, object]:
    """Return the JSON object in the body (at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes)."""
    if request.content_type != "application/json":
        raise Refusal(415, "unsupported_media_type", "Send the body as application/json.")
    body = request.body
    if not body:
        raise Refusal(400, "bad_json", "The body is empty; a JSON object is needed.")
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "bad_json", f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    if not isinstance(values, dict):
        raise Refusal(400, "bad_json", "The body must be a JSON object.")
    return values


def form(
    request: HttpRequest, *, files: frozenset[str]
) -> tuple[dict[str, object], dict[str, list["UploadedFile[bytes]"]]]:
    """Return the fields and the files of a multipart body; only `files` may be files. A repeated field counts last.

    Text that is not UTF-8 is refused: Django would put a sign in the place of what it can't read, and go on.
    """
    if request.content_type != "multipart/form-data":
        raise Refusal(415, "unsupported_media_type", "Send the body as multipart/form-data.")
    sent = {str(name): request.FILES.getlist(name) for name in request.FILES}
    for name in sent:
        if name not in files:
            raise Refusal(400, "unknown_field", f"{name[:60]} is not a file that this takes.", field=name[:60])
    for name in files & request.POST.keys():
        raise Refusal(400, "bad_file", f"{name} must be a file.", field=name)
    for name, value in request.POST.items():
        if UNREADABLE in str(value) or UNREADABLE in name:
            words = f"{name[:60]} has a character that could not be read (U+FFFD). Send text as UTF-8."
            raise Refusal(400, "bad_multipart", words, field=name[:60])
    return {str(name): request.POST[name] for name in request.POST}, sent


def idempotency(request: HttpRequest, what: object) -> submission.Idempotency | None:
    """Return the request's Idempotency-Key with the SHA-256 of `what` was asked, or None without one.

    `what` is the meaning of the body, not its bytes: the same JSON with other spaces is the same request.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (0 < len(key) <= KEY_CHARACTERS and key.isascii() and key.isprintable()):
        words = f"The Idempotency-Key must be 1 to {KEY_CHARACTERS} printable ASCII characters."
        raise Refusal(400, "bad_idempotency_key", words, field="Idempotency-Key")
    meaning = orjson.dumps([request.method, request.path, what], option=orjson.OPT_SORT_KEYS)
    return submission.Idempotency(key, hashlib.sha256(meaning).digest())
