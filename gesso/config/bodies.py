"""Request bodies, bounded before they are read: who has no good credential gets little, nobody gets the whole disk.

Whether one is good is asked (`known`) only for a body that is larger than a stranger's may be, and before it is read
any further.
"""

import asyncio
import io
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.utils.http import parse_header_parameters

from gesso.billing.gateways import protocol
from gesso.core import catalog, ids

# ASGI's shapes, as Django's own handler types them.
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Known = Callable[[], Awaitable[bool]]

ANONYMOUS_BYTES = 64 * 1024
FORM_BYTES = 1_000_000  # beside the files that the catalogue allows: a form's fields and boundaries
IDLE_SECONDS = 30  # who sends nothing for so long is no longer waited for
UNICODE = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
LONGEST_TYPE = 500  # bytes of a Content-Type: parsing takes the square of them, and a boundary has at most 70
LINGER_SECONDS = 2  # how long a refused client may go on sending before it is cut off


class Refused(Exception):
    """The body is not taken. `code` is stable; the message is a sentence for a person."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.code = status, code


class TooLarge(Refused):
    """The body is over the bound, which is in bytes."""

    def __init__(self, bound: int) -> None:
        sentence = f"The request is larger than the {bound:,} bytes that are accepted here."
        super().__init__(413, "request_too_large", sentence)


class Unknown(Refused):
    """A credential was shown for a large body, and it is no good one: as the doors would say of a small body."""

    def __init__(self) -> None:
        sentence = (
            "The API key or session is not active. "
            f"Without an active one a request may have at most {ANONYMOUS_BYTES:,} bytes."
        )
        super().__init__(401, "invalid_api_key", sentence)


class NotUnicode(Refused):
    """A form in another encoding: some of those that Python knows take minutes for a page of text, or read no text."""

    def __init__(self) -> None:
        super().__init__(415, "unsupported_media_type", "Send one Content-Type, and text as UTF-8.")


class Stalled(Refused):
    """Nothing came for IDLE_SECONDS, and the connection stands."""

    def __init__(self) -> None:
        super().__init__(408, "request_stalled", "The rest of the request did not come in time. Please send it again.")


async def read(scope: Scope, receive: Receive, known: Known) -> IO[bytes]:
    """Return the request's body as a file (on disk beyond a megabyte), positioned at its start.

    `known` says whether the request's credential is a good one.
    Raises NotUnicode, TooLarge and Unknown before reading where the length is announced, Stalled, and RequestAborted
    when the client goes.
    """
    headers = list(scope["headers"])
    types = [value for name, value in headers if name == b"content-type"]
    if len(types) > 1 or not all(map(_is_unicode, types)):  # Django would join two, and read in them what neither says
        raise NotUnicode
    announced = next((value for name, value in headers if name == b"content-length"), b"")
    bound = await _bound(scope, int(announced) if announced.isdigit() else 0, known)
    if not announced and not any(name == b"transfer-encoding" for name, _ in headers):
        await receive()  # there is none: this message only says so, at once
        return io.BytesIO()
    body = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)  # noqa: SIM115 (the caller closes it)
    try:
        size, more = 0, True
        while more:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await receive()
            if message["type"] != "http.request":
                raise RequestAborted
            part = message.get("body", b"")
            size += len(part)
            if size > bound:
                bound = await _bound(scope, size, known)
            body.write(part)
            more = message.get("more_body", False)
    except TimeoutError:
        body.close()
        raise Stalled from None
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


async def _bound(scope: Scope, size: int, known: Known) -> int:
    """Return how many bytes this request may have. Raises TooLarge or Unknown when `size` is more."""
    bound = ANONYMOUS_BYTES
    if scope["path"].startswith("/webhooks/"):
        bound = protocol.WEBHOOK_BYTES  # a gateway shows no credential before its signature is read
    elif size > bound and _shows_credential(scope):
        if not await known():
            raise Unknown
        bound = catalog.current().limits.request_bytes + FORM_BYTES
    if size > bound:
        raise TooLarge(bound)
    return bound


def _is_unicode(media_type: bytes) -> bool:
    if len(media_type) > LONGEST_TYPE:
        return False
    try:
        _, words = parse_header_parameters(media_type.decode("latin-1"))
    except (TypeError, ValueError):
        return False
    return words.get("charset", "utf-8").lower() in UNICODE


def _shows_credential(scope: Scope) -> bool:
    cookie = settings.SESSION_COOKIE_NAME.encode() + b"="
    return any(name == b"authorization" or (name == b"cookie" and cookie in value) for name, value in scope["headers"])


async def refuse(refusal: Refused, receive: Receive, send: Send) -> None:
    """Say why and close the connection, listening a moment longer so that the client hears the answer."""
    number = f"req_{ids.uuid7().hex}"
    error = {  # what clients of both APIs look for
        "code": refusal.code,
        "type": "invalid_request_error" if refusal.status < 500 else "server_error",
        "param": None,
        "message": str(refusal),
        "request_id": number,
    }
    answer = orjson.dumps({"error": error})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
        (b"x-request-id", number.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body"):
                message = await receive()
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
