"""Outbound HTTP: the one place where clients for other people's servers are made, with limits (REQ-31).

Base URLs from the environment are trusted as written (REQ-33). A URL found in an answer is never followed by
these clients; redirects are off, cookies are not kept, and the proxies of the environment are not used for loopback.
"""

import math
import time

import httpcore2
import httpx2

LARGEST_ANSWER = 64 * 1024 * 1024  # bytes, decoded
RETRY_AFTER_MOST = 600.0  # seconds

# A picture comes in megabytes, and each read of a response passes a dozen layers: the event loop's own largest read
# (256 KiB) instead of 64 KiB takes a quarter off the CPU of receiving one (measured by `benchmarks`, part cost).
httpcore2.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024


def client(*, base_url: str, headers: dict[str, str], read_seconds: float) -> httpx2.AsyncClient:
    """Return a client for the server at `base_url`: connect within 5 s, `read_seconds` of silence at most."""
    return httpx2.AsyncClient(
        base_url=base_url,
        headers=headers,
        follow_redirects=False,
        timeout=httpx2.Timeout(read_seconds, connect=5.0, pool=None),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
    )


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
