"""Request bodies, bounded before they are read: who shows no credential gets little, and nobody gets the whole disk.

Only the presence of a credential is looked at here; whether it is a good one is for the doors to say (REQ-26).
"""

import asyncio
import io
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestAborted

from gesso.billing.gateways import protocol
from gesso.core import catalog, ids

# ASGI's shapes, as Django's own handler types them.
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

ANONYMOUS_BYTES = 64 * 1024
FORM_BYTES = 1_000_000  # beside the files that the catalogue allows: a form's fields and boundaries
IDLE_SECONDS = 30  # a client that sends nothing for so long is gone
LINGER_SECONDS = 2  # how long a refused client may go on sending before it is cut off


class TooLarge(Exception):
    """The body is over the bound; `bound` is in bytes."""

    def __init__(self, bound: int) -> None:
        super().__init__(bound)
        self.bound = bound


async def read(scope: Scope, receive: Receive) -> IO[bytes]:
    """Return the request's body as a file (on disk beyond a megabyte), positioned at its start.

    Raises TooLarge before reading where the length is announced, and RequestAborted when the client goes or stalls.
    """
    headers = list(scope["headers"])
    # A gateway shows no credential before its signature is read.
    bound = protocol.WEBHOOK_BYTES if scope["path"].startswith("/webhooks/") else _bound(headers)
    announced = next((value for name, value in headers if name == b"content-length"), b"")
    if announced.isdigit() and int(announced) > bound:
        raise TooLarge(bound)
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
                raise TooLarge(bound)
            body.write(part)
            more = message.get("more_body", False)
    except TimeoutError:
        body.close()
        raise RequestAborted from None
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


def _bound(headers: Iterable[tuple[bytes, bytes]]) -> int:
    cookie = settings.SESSION_COOKIE_NAME.encode() + b"="
    for name, value in headers:
        if name == b"authorization" or (name == b"cookie" and cookie in value):
            return catalog.current().limits.request_bytes + FORM_BYTES
    return ANONYMOUS_BYTES


async def refuse(refusal: TooLarge, receive: Receive, send: Send) -> None:
    """Answer 413 and close the connection, listening a moment longer so that the client hears the answer."""
    number = f"req_{ids.uuid7().hex}"
    error = {  # what clients of both APIs look for
        "code": "request_too_large",
        "type": "invalid_request_error",
        "param": None,
        "message": f"The request is larger than the {refusal.bound:,} bytes that are accepted here.",
        "request_id": number,
    }
    answer = orjson.dumps({"error": error})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
        (b"x-request-id", number.encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": answer, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body"):
                message = await receive()
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
