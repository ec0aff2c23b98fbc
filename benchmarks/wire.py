"""The smallest HTTP/1.1 client that a load generator needs: its own cost must not drown what it measures.

One connection, one request at a time, keep-alive, answers with a length or in chunks. Not for anything else.
"""

import asyncio
import urllib.parse


class Connection:
    """One kept-alive connection to `url` (http, loopback)."""

    def __init__(self, url: str) -> None:
        self._parts = urllib.parse.urlsplit(url)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
        """Send a request and return (status, body)."""
        reader = await self.send(method, path, headers, body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        if b"transfer-encoding: chunked" in head:
            return status, await _chunks(reader)
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        return status, await reader.readexactly(int(length or 0))

    async def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> asyncio.StreamReader:
        """Send a request and return where its answer will come from."""
        # A connection that was left alone is closed by the server after a few seconds.
        if self._writer is None or self._reader is None or self._reader.at_eof() or self._writer.is_closing():
            assert self._parts.hostname
            assert self._parts.port
            self._reader, self._writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"content-length: {len(body)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        return self._reader

    def close(self) -> None:
        """Let the connection go."""
        if self._writer is not None:
            self._writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)
