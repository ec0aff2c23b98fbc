"""One request to the fake provider and its connection: pausing, hanging up, noticing that the client left."""

import asyncio
import dataclasses
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Gone(Exception):
    """The connection ended before the answer was whole."""


@dataclasses.dataclass
class Call:
    """One request and what may be done with its connection."""

    scope: Scope
    receive: Receive
    send: Send

    def __post_init__(self) -> None:
        self.headers = {name.decode(): value.decode("latin-1") for name, value in self.scope["headers"]}
        self._left: asyncio.Task[None] | None = None

    async def pause(self, seconds: float) -> None:
        """Wait, unless the client leaves meanwhile. Raises Gone."""
        if seconds > 0 and not self.gone():
            await asyncio.wait({self._watch()}, timeout=seconds)
        if self.gone():
            raise Gone

    async def hang(self) -> None:
        """Stay silent until the client leaves. Raises Gone."""
        await self._watch()
        raise Gone

    def gone(self) -> bool:
        """Return whether the client has left, as far as was watched."""
        return self._left is not None and self._left.done()

    def cut(self) -> None:
        """End the connection here and now; what was sent is flushed first."""
        # ASGI has no word for it, so the connection of uvicorn's own request is taken.
        self.send.__self__.transport.close()  # type: ignore[attr-defined]

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Send the head of the answer."""
        number = f"req_fake_{time.monotonic_ns():x}"
        pairs = [(name.encode(), value.encode()) for name, value in ({"x-request-id": number} | headers).items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def send_bytes(self, data: bytes) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End the body."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def answer_json(self, status: int, words: object, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole JSON answer."""
        body = json.dumps(words).encode()
        await self.start(
            status, {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        )
        await self.send_bytes(body)
        await self.end()

    def stop_watching(self) -> None:
        """Give up the task that watches for the client's leaving."""
        if self._left:
            self._left.cancel()

    def _watch(self) -> "asyncio.Task[None]":
        if self._left is None:
            self._left = asyncio.create_task(self._until_left())
        return self._left

    async def _until_left(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


async def body_of(receive: Receive) -> bytes:
    """Return the whole body of a request."""
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
