"""Outbound HTTP: the one place where clients for other people's servers are made, with limits (REQ-31).

Base URLs from the environment are trusted as written (REQ-33). A URL found in an answer is never followed by
these clients; redirects are off, cookies are not kept, and the proxies of the environment are not used for loopback.
"""

import asyncio
import contextlib
import io
import math
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator

import aiohttp
import httpx2

LARGEST_ANSWER = 64 * 1024 * 1024  # bytes, decoded
RETRY_AFTER_MOST = 600.0  # seconds
READ_BYTES = 256 * 1024  # when twice that of an answer waits to be read, its connection pauses
IDLE_SECONDS = 5.0  # an idle connection is kept that long for the next call
HEAD_BYTES = 64 * 1024  # the longest line of an answer's head: some networks send policies of many kilobytes
HEADERS = 1000  # lines of an answer's head


def client(*, base_url: str, headers: dict[str, str], read_seconds: float) -> httpx2.AsyncClient:
    """Return a client for the server at `base_url`: connect within 5 s, `read_seconds` of silence at most."""
    return httpx2.AsyncClient(
        base_url=base_url,
        headers=headers,
        follow_redirects=False,
        timeout=httpx2.Timeout(read_seconds, connect=5.0, pool=None),
        transport=Transport(),
    )


class Transport(httpx2.AsyncBaseTransport):
    """Carries the calls of an httpx2 client through aiohttp, for one event loop.

    httpx2's own looks through all connections at the begin and end of each call, and passes each piece of an
    answer through a dozen layers: with 300 calls at once that was two thirds of what the worker's loop did.
    """

    def __init__(self) -> None:
        self._tls = httpx2.create_ssl_context()
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request, once, and return its answer with the body still to be read. Raises httpx2's errors.

        aiohttp times the way to the server and its silence; the sending itself has no limit there, so the whole may
        take what connecting, sending and silence may take together.
        """
        seconds: dict[str, float | None] = request.extensions.get("timeout", {})
        connect, read = seconds.get("connect"), seconds.get("read")
        parts = (connect, seconds.get("write"), read)
        whole = None if None in parts else sum(part or 0.0 for part in parts)
        headers = [pair for pair in request.headers.multi_items() if pair[0] != "transfer-encoding"]  # its own matter
        with _errors():
            async with asyncio.timeout(whole):
                answer = await self._opened().request(
                    # httpx2 has made a header of the words before an @ already.
                    request.method, str(request.url.copy_with(userinfo=b"")), headers=headers, data=_body(request),
                    allow_redirects=False, proxy=_proxy(request.url),
                    timeout=aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect, sock_read=read),
                )  # fmt: skip
        reason = (answer.reason or "").encode(errors="surrogateescape")
        return httpx2.Response(
            answer.status, headers=answer.raw_headers, stream=_Body(answer, read), request=request,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": reason},
        )  # fmt: skip

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # made by the first call, because it belongs to the loop that runs
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=0, keepalive_timeout=IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, read_bufsize=READ_BYTES,
                max_line_size=HEAD_BYTES, max_field_size=HEAD_BYTES, max_headers=HEADERS,
            )  # fmt: skip
        return self._session


class _Body(httpx2.AsyncByteStream):
    """The body of an answer as it comes; closing it early closes the connection too."""

    def __init__(self, answer: aiohttp.ClientResponse, silence: float | None) -> None:
        self._answer, self._silence = answer, silence

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors():
            while not self._answer.content.at_eof():
                # A broken chunk stops aiohttp's parser without waking its reader: the limit on silence is ours too.
                async with asyncio.timeout(self._silence):
                    piece = await self._answer.content.readany()
                if piece:
                    yield piece

    async def aclose(self) -> None:
        self._answer.close()


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Say aiohttp's errors in httpx2's words. Whether a request may have left is what a caller pays for or not."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(str(error)) from error
    except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as error:  # no address, no TLS, no way through
        raise httpx2.ConnectError(str(error)) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise httpx2.UnsupportedProtocol(str(error)) from error
    except (aiohttp.SocketTimeoutError, TimeoutError) as error:
        raise httpx2.ReadTimeout(str(error)) from error
    except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
        raise httpx2.RemoteProtocolError(f"{type(error).__name__}: {error}") from error


def _body(request: httpx2.Request) -> io.BytesIO | httpx2.AsyncByteStream | None:
    try:
        return io.BytesIO(request.content) if request.content else None  # which is sent piece by piece
    except httpx2.RequestNotRead:
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        return request.stream


def _proxy(url: httpx2.URL) -> str | None:
    """Return the proxy that the environment names for `url`; for this machine itself there is none."""
    if url.host in {"localhost", "127.0.0.1", "::1"} or urllib.request.proxy_bypass(url.host):
        return None
    known = urllib.request.getproxies()
    proxy = known.get(url.scheme) or known.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def blocking_client(*, base_url: str, headers: dict[str, str], read_seconds: float) -> httpx2.Client:
    """Return the same for code that waits in a thread; read its answers with `read_bounded`."""
    return httpx2.Client(
        base_url=base_url,
        headers=headers,
        follow_redirects=False,
        timeout=httpx2.Timeout(read_seconds, connect=5.0, pool=None),
    )


class TooMuch(Exception):
    """An answer was larger, or took longer, than anything that was asked for."""


def read_bounded(answer: httpx2.Response, *, most: int, seconds: float) -> bytes:
    """Return the body of a streamed answer, of `most` bytes decoded and within `seconds`. Raises TooMuch."""
    body = bytearray()
    until = time.monotonic() + seconds
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > most or time.monotonic() > until:
            raise TooMuch(f"more than {most:,} bytes or {seconds:g} seconds")
    return bytes(body)


def retry_seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header, from 0 to ten minutes; None for a date, garbage or nothing."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return min(max(value, 0.0), RETRY_AFTER_MOST) if math.isfinite(value) else None
