"""Creem's REST API, as thin as it can be: JSON in, JSON out, and every failure as one of the protocol's two.

Invariant: no exception text holds the key. What the rows mean is in `creem_states`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import orjson

from gesso.billing.gateways import protocol
from gesso.core import http

READ_SECONDS = 15.0
WHOLE_SECONDS = 30.0  # one answer, from its first byte to its last
LARGEST_ANSWER = 4 * 1024 * 1024  # bytes: a page of rows is some 60 KB
PAGE_ROWS = 50

Row = dict[str, Any]
_NOTHING: Mapping[str, str] = {}


class Api:
    """The API of one store at one address. Safe for many threads."""

    def __init__(self, api_key: str, base_url: str) -> None:
        headers = {"x-api-key": api_key, "Accept": "application/json"}
        self._client = http.blocking_client(
            base_url=base_url.rstrip("/") + "/", headers=headers, read_seconds=READ_SECONDS
        )

    def find(self, path: str, **query: str) -> Row | None:
        """Return what is at `path`, or None when Creem knows no such thing. Raises Unavailable and Refused."""
        status, row = self._ask("GET", path, query=query)
        return None if status == 404 else row

    def post(self, path: str, body: Mapping[str, object]) -> Row:
        """Ask for something to be done. Raises Unavailable and Refused."""
        status, row = self._ask("POST", path, body=body)
        if status == 404:
            raise protocol.Refused(f"Creem knows no such thing: {_said(row)}")
        return row

    def every(self, path: str, **query: str) -> Iterator[Row]:
        """Yield every row of a search. Raises Unavailable and Refused."""
        for rows in self.pages(path, **query):
            yield from rows

    def pages(self, path: str, **query: str) -> Iterator[list[Row]]:
        """Yield the rows of a search page by page, in Creem's order. Raises Unavailable and Refused."""
        number = 1
        while True:
            asked = {**query, "page_number": str(number), "page_size": str(PAGE_ROWS)}
            found = self.find(path, **asked)
            items = (found or {}).get("items")
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise protocol.Unavailable("Creem answered a search with something that is no list.")
            yield items
            pages = found.get("pagination") if found else None
            following = pages.get("next_page") if isinstance(pages, dict) else None
            if not items or not isinstance(following, int) or following <= number:
                return
            number = following

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _ask(
        self, method: str, path: str, *, query: Mapping[str, str] = _NOTHING, body: Mapping[str, object] | None = None
    ) -> tuple[int, Row]:
        content = None if body is None else orjson.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            with self._client.stream(method, path, params=query, content=content, headers=headers) as answer:
                status = answer.status_code
                data = http.read_bounded(answer, most=LARGEST_ANSWER, seconds=WHOLE_SECONDS)
        except (httpx2.HTTPError, http.TooMuch) as error:
            raise protocol.Unavailable(f"Creem did not answer properly: {type(error).__name__}.") from error
        row = _read(data)
        if status in {200, 201, 404} and row is not None:
            return status, row
        if status in {401, 403}:
            raise protocol.Refused("Creem does not accept CREEM_API_KEY, or not at this address.")
        if 400 <= status < 500 and status not in {408, 425, 429}:
            raise protocol.Refused(f"Creem refused: {_said(row or {}) or status}")
        raise protocol.Unavailable(f"Creem answered {status}{'' if row is not None else ' without JSON'}.")


def _read(data: bytes) -> Row | None:
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def _said(row: Row) -> str:
    """Return Creem's own words about a mistake, one line; it sends a list of sentences."""
    said = row.get("message")
    parts = said if isinstance(said, list) else [said or row.get("error") or ""]
    return " ".join(" ".join(str(part) for part in parts).split())[:200]
