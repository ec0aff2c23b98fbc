"""Asking our own web process how it is, as a client would: over its socket, with little patience."""

import asyncio
import socket

import orjson

PATIENCE_SECONDS = 2


class NoAnswer(Exception):
    """Nothing that makes sense came back in time."""


async def alive(listener: socket.socket) -> bool:
    """Whether the web process serves requests."""
    try:
        status, _ = await _get(listener, "/livez")
    except NoAnswer:
        return False
    return status == 200


async def parts(listener: socket.socket) -> dict[str, str]:
    """Return the parts that are not well and what is so with them; empty when everything is ready."""
    try:
        status, body = await _get(listener, "/readyz")
        words = orjson.loads(body) if status in {200, 503} else {"web": f"answers {status}"}
    except (NoAnswer, orjson.JSONDecodeError):
        return {"web": "does not answer"}
    return {name: word for name, word in words.items() if word != "ok"}


async def _get(listener: socket.socket, path: str) -> tuple[int, bytes]:
    """Return the status and body of `path`, asked at the address that `listener` is bound to."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError) as problem:
        raise NoAnswer from problem
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 3 or not words[1].isdigit():
        raise NoAnswer
    return int(words[1]), body
