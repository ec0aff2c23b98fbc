"""OpenAI's moderation endpoint (POST /moderations): the text once, and one request for each image, which is its limit.

Whatever is not a clear answer is `Unavailable`; the caller fails closed.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx2
import orjson
import pybase64

from gesso.core import http
from gesso.moderation.verdict import Unavailable, Verdict, allowed

SECONDS = 30.0
TOO_LARGE = frozenset({413, 415})  # what was asked about is too large, or nothing that it takes
UNREADABLE = TOO_LARGE | {400, 422}  # of a picture; of a text they speak of how it was asked, which is our side


class Moderations:
    """The endpoint of one server. Safe for many calls at once."""

    def __init__(self, key: str, base_url: str, model: str) -> None:
        self._model = model
        self._client = http.client(
            base_url=base_url.rstrip("/") + "/", headers={"Authorization": f"Bearer {key}"}, read_seconds=SECONDS
        )

    async def judge(self, text: str, pictures: Sequence[tuple[bytes, str]]) -> Verdict:
        """Judge `text` (unless empty) and every picture; all must pass. Raises Unavailable."""
        inputs: list[list[dict[str, object]]] = [[{"type": "text", "text": text}]] if text else []
        for data, media_type in pictures:
            url = f"data:{media_type};base64,{pybase64.b64encode(data).decode()}"
            inputs.append([{"type": "image_url", "image_url": {"url": url}}])
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(one)) for one in inputs]
        except ExceptionGroup as several:  # one answer that is missing decides: the other questions were given up
            raise several.exceptions[0] from None
        verdicts = [task.result() for task in tasks]
        flagged = tuple(sorted({category for verdict in verdicts for category in verdict.categories}))
        if any(not verdict.allowed for verdict in verdicts):
            return Verdict(allowed=False, categories=flagged or ("flagged",), source=self._model)
        return allowed(self._model)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.aclose()

    async def _ask(self, parts: list[dict[str, object]]) -> Verdict:
        body = orjson.dumps({"model": self._model, "input": parts})
        try:
            answer = await self._client.post("moderations", content=body, headers={"Content-Type": "application/json"})
        except httpx2.HTTPError as error:
            raise Unavailable(f"moderation did not answer: {type(error).__name__}") from error
        if answer.status_code == 404:
            raise Unavailable(
                'This server has no moderation endpoint. Set remote = "off" under [moderation] in the catalogue,'
                " or point OPENAI_BASE_URL at one that has."
            )
        if answer.status_code != 200:
            raise Unavailable(
                f"moderation answered {answer.status_code}",
                retry_after=http.retry_seconds(answer.headers.get("retry-after")),
                final=answer.status_code in (TOO_LARGE if parts[0]["type"] == "text" else UNREADABLE),
            )
        return self._read(answer.content)

    def _read(self, body: bytes) -> Verdict:
        try:
            results: list[dict[str, Any]] = orjson.loads(body)["results"]
            flagged = [bool(result["flagged"]) for result in results]
            categories = {name for result in results for name, hit in result.get("categories", {}).items() if hit}
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable("moderation answered something that is no verdict") from error
        if not flagged:
            raise Unavailable("moderation answered without a result")
        return Verdict(allowed=not any(flagged), categories=tuple(sorted(categories)), source=self._model)
