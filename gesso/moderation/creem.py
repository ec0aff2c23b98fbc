"""Creem's moderation endpoint (POST /v1/moderation/prompt), which whoever sells image generation through it must ask.

Text only, before every generation. `deny` and `flag` both stop it: Creem watches flagged prompts closely and recommends
to block them, and the account that pays for an exception is the operator's. Whatever is not a clear answer is
`Unavailable`; the caller fails closed.
"""

import httpx2
import orjson

from gesso.core import http
from gesso.moderation.verdict import Unavailable, Verdict, allowed

SECONDS = 10.0
SOURCE = "creem"
_BLOCKED = {"deny": "creem/deny", "flag": "creem/flag"}


class Prompts:
    """The endpoint of one store. Safe for many calls at once."""

    def __init__(self, api_key: str, base_url: str) -> None:
        self._client = http.client(
            base_url=base_url.rstrip("/") + "/", headers={"x-api-key": api_key}, read_seconds=SECONDS
        )

    async def judge(self, prompt: str, *, reference: str = "") -> Verdict:
        """Judge a prompt; `reference` finds the judgement again in Creem's records. Raises Unavailable."""
        body = orjson.dumps({"prompt": prompt, **({"external_id": reference} if reference else {})})
        try:
            answer = await self._client.post(
                "v1/moderation/prompt", content=body, headers={"Content-Type": "application/json"}
            )
        except httpx2.HTTPError as error:
            raise Unavailable(f"Creem's moderation did not answer: {type(error).__name__}") from error
        if answer.status_code not in {200, 201}:
            raise Unavailable(
                f"Creem's moderation answered {answer.status_code}",
                retry_after=http.retry_seconds(answer.headers.get("retry-after")),
            )
        return _read(answer.content)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.aclose()


def _read(body: bytes) -> Verdict:
    try:
        decision = orjson.loads(body)["decision"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Unavailable("Creem's moderation answered something that is no verdict") from error
    if decision == "allow":
        return allowed(SOURCE)
    if not isinstance(decision, str) or decision not in _BLOCKED:
        raise Unavailable("Creem's moderation answered a decision that is not known")
    return Verdict(allowed=False, categories=(_BLOCKED[decision],), source=SOURCE)
