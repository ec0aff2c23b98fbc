"""OpenAI's Images API and compatible servers: one call for each output, through the official SDK, without its retries.

`submit` returns the raw answer unread; `read` parses it later, here or in another process after a crash. While somebody
watches, the answer is streamed and partial pictures are handed on. Failures are classified by the error's code before
its status, because money problems come as 400 and 429 alike.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import openai
import orjson
import pybase64

from gesso.core import http
from gesso.providers import protocol

JSON_ANSWER, EVENT_ANSWER = "openai-json", "openai-event"
SILENCE_SECONDS = 300.0  # a call without previews is silent until its picture is done
APART = "<apart>"  # no base64
_PICTURE = re.compile(rb'"b64_json"\s*:\s*"')
_ROLES = {
    "subject": "shows the subject",
    "style": "gives the style",
    "layout": "gives the layout",
    "product": "shows the product, which must stay as it is",
}
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

_BY_CODE: dict[str, protocol.Kind] = {
    **dict.fromkeys(
        ("moderation_blocked", "content_policy_violation", "image_content_policy_violation", "content_filter"),
        "moderation",
    ),
    **dict.fromkeys(
        ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "organization_usage_limit_exceeded",
         "organization_spend_limit_exceeded", "project_spend_limit_exceeded", "invalid_api_key"),
        "operator",
    ),
    "rate_limit_exceeded": "rate_limited",
}  # fmt: skip
_BY_TYPE: dict[str, protocol.Kind] = dict.fromkeys(("server_error", "image_generation_server_error"), "unavailable")
_BY_STATUS: dict[int, protocol.Kind] = {
    400: "user_input", 401: "operator", 402: "operator", 403: "operator", 404: "operator", 405: "operator",
    408: "unavailable", 409: "unavailable", 413: "user_input", 415: "user_input", 422: "user_input",
    429: "rate_limited",
    # A gateway gave up waiting; the work behind it may have been done.
    504: "unknown", 524: "unknown",
}  # fmt: skip


class OpenAI:
    """One server, one key. Safe for many calls at once."""

    name = "openai"

    def __init__(self, key: str, base_url: str) -> None:
        client = http.client(base_url=base_url, headers={}, read_seconds=SILENCE_SECONDS)
        self._client = openai.AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, http_client=client)

    async def submit(self, request: protocol.Request, preview: protocol.Preview) -> protocol.Raw:
        """Ask for one image and return the raw answer. Raises ProviderFailure."""
        streaming = self._client.images.with_streaming_response
        words: dict[str, Any] = {
            "model": request.model, "prompt": _with_roles(request), "n": 1, "size": f"{request.width}x{request.height}",
            "quality": request.quality, "background": request.background, "output_format": request.format,
            "safety_identifier": request.end_user,
            "timeout": httpx2.Timeout(min(request.timeout, SILENCE_SECONDS), connect=5.0, pool=None),
        }  # fmt: skip
        if request.previews:
            words |= {"stream": True, "partial_images": request.previews}
        if request.references:
            words["image"] = [
                (f"reference-{place}.{_EXTENSIONS[one.media_type]}", one.data, one.media_type)
                for place, one in enumerate(request.references, start=1)
            ]
            call = streaming.edit(**words)
        else:
            call = streaming.generate(**words)
        try:
            async with call as answer:
                request_id = answer.headers.get("x-request-id", "")
                if request.previews and "event-stream" in answer.headers.get("content-type", ""):
                    return protocol.Raw(
                        kind=EVENT_ANSWER, body=await _completed(answer.iter_bytes(), preview), request_id=request_id
                    )
                return protocol.Raw(kind=JSON_ANSWER, body=await _whole(answer.iter_bytes()), request_id=request_id)
        except openai.APIStatusError as error:
            raise _from_status(error) from None
        except openai.APIConnectionError as error:
            raise _from_connection(error.__cause__ or error) from None
        except httpx2.HTTPError as error:
            raise _from_connection(error) from None

    def read(self, raw: protocol.Raw) -> protocol.Picture:
        """Return the picture in a JSON answer or a `completed` event. Raises ProviderFailure."""
        told, picture = _apart(raw.body)
        try:
            words = orjson.loads(told)
        except orjson.JSONDecodeError:
            raise _malformed(raw, "not_json", raw.body[:500].decode(errors="replace")) from None
        if not isinstance(words, dict):
            raise _malformed(raw, "not_an_object")
        # An error said with status 200, or inside a stream: there is no status to go by.
        if isinstance(words.get("error"), dict):
            raise _from_words(words["error"], 0, "", raw.request_id)
        row = words if raw.kind == EVENT_ANSWER else _first(words.get("data"))
        text = row.get("b64_json") if isinstance(row, dict) else None
        if text == APART:
            text = picture
        if not text and isinstance(row, dict) and str(row.get("url", "")).startswith("data:"):
            text = str(row["url"]).partition("base64,")[2]
        if not isinstance(text, str | memoryview) or not text:
            raise _malformed(raw, "no_picture", "An address instead of a picture is not followed." if row else "")
        try:
            data = pybase64.b64decode(text, validate=True)
        except ValueError:
            raise _malformed(raw, "not_base64") from None
        usage = words.get("usage")
        return protocol.Picture(data=data, usage=usage if isinstance(usage, dict) else {})

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()


def _with_roles(request: protocol.Request) -> str:
    """Return the prompt; where references were given roles, a first line says them, as this API has no field for it."""
    numbered = enumerate(request.references, start=1)
    said = [f"image {place} {_ROLES[one.role]}" for place, one in numbered if one.role in _ROLES]
    return f"Of the images given, {', '.join(said)}.\n\n{request.prompt}" if said else request.prompt


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > http.LARGEST_ANSWER:
            raise protocol.ProviderFailure("malformed", "answer_too_large")
        parts.append(chunk)
    return b"".join(parts)


async def _completed(chunks: AsyncIterator[bytes], preview: protocol.Preview) -> bytes:
    """Read a stream of events: hand partial pictures on, return the raw JSON of the one that completes it."""
    async for lines in _events(chunks):
        data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
        name = next((line[6:].strip().decode(errors="replace") for line in lines if line.startswith(b"event:")), "")
        if name in {"", "message"}:  # "message" is what an event without a name is called
            name = _type_of(data)
        if name.endswith(".partial_image"):
            await _hand_on(data, preview)
        elif name.endswith(".completed") or name == "error":
            return data
    raise protocol.ProviderFailure("unknown", "stream_ended_early")


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Cut a stream into events, each as its lines; lines end in LF or CR LF, an empty one ends an event."""
    size, searched, pending = 0, 0, bytearray()
    lines: list[bytes] = []
    async for chunk in chunks:
        size += len(chunk)
        if size > http.LARGEST_ANSWER:
            raise protocol.ProviderFailure("malformed", "answer_too_large")
        pending += chunk
        # A line of megabytes comes in hundreds of chunks: what was searched is not searched again.
        while (end := pending.find(b"\n", searched)) >= 0:
            line = bytes(pending[:end]).rstrip(b"\r")
            del pending[: end + 1]
            searched = 0
            if line:
                lines.append(line)
            elif lines:
                yield lines
                lines = []
        searched = len(pending)


def _type_of(data: bytes) -> str:
    """Return the type of an event that came without a name; "" when nobody can tell."""
    try:
        words = orjson.loads(data)
    except orjson.JSONDecodeError:
        return ""  # such as the [DONE] of some servers
    if not isinstance(words, dict):
        return ""
    return "error" if isinstance(words.get("error"), dict) else str(words.get("type", ""))


async def _hand_on(data: bytes, preview: protocol.Preview) -> None:
    try:
        picture = pybase64.b64decode(orjson.loads(data)["b64_json"], validate=True)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return  # a preview that can't be read is no reason to lose the picture behind it
    await preview(picture)


def _apart(body: bytes) -> tuple[bytes, memoryview]:
    """Return an answer with APART for its first picture, and the base64 of that picture (empty where there is none).

    A parser would look at each of its two million characters and copy them: 0.6 ms and 2 MB for each picture.
    """
    found = _PICTURE.search(body)
    begin = found.end() if found else 0
    end = body.find(b'"', begin)
    if not found or end < 0 or body.find(b"\\", begin, end) >= 0:  # what is escaped is a parser's matter
        return body, memoryview(b"")
    return body[:begin] + APART.encode() + body[end:], memoryview(body)[begin:end]


def _first(rows: object) -> object:
    return rows[0] if isinstance(rows, list) and rows else None


def _malformed(raw: protocol.Raw, code: str, said: str = "") -> protocol.ProviderFailure:
    return protocol.ProviderFailure("malformed", code, raw=said, request_id=raw.request_id)


def _from_status(error: openai.APIStatusError) -> protocol.ProviderFailure:
    words = error.body if isinstance(error.body, dict) else {}
    pause = _pause(error.response.headers)
    return _from_words(words, error.status_code, str(error.message), error.request_id or "", pause)


def _pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the server asks to wait: the header in milliseconds is the more exact one."""
    try:
        exact = str(float(headers.get("retry-after-ms", "")) / 1000)
    except ValueError:
        exact = None
    return http.retry_seconds(exact or headers.get("retry-after"))


def _from_words(
    words: dict[str, Any], status: int, message: str, request_id: str, pause: float | None = None
) -> protocol.ProviderFailure:
    named = words.get("type")
    code = str(words.get("code") or named or status or "error")[:80]
    said = str(words.get("message") or message)
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or _BY_TYPE.get(code) or _BY_TYPE.get(str(named))
    kind = kind or ("unavailable" if status >= 500 else "user_input")
    details = words.get("moderation_details")
    if details or "safety_violations" in said:
        kind = "moderation"
        said = f"{said} {details or ''}".strip()
    return protocol.ProviderFailure(kind, code, raw=said, retry_after=pause, request_id=request_id)


def _from_connection(cause: BaseException) -> protocol.ProviderFailure:
    """A request that never left is `unavailable`; one that may have been worked on is `unknown`."""
    never_left = isinstance(
        cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.UnsupportedProtocol
    )
    kind: protocol.Kind = "unavailable" if never_left else "unknown"
    return protocol.ProviderFailure(kind, type(cause).__name__, raw=str(cause)[:300])
