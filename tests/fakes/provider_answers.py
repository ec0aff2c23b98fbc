"""The bodies the fake provider answers with: OpenAI's JSON and events, exactly, or spoiled as the plan says.

A body is a list of chunks, so that the base64 of a large picture is prepared once and never copied into a body.
"""

import base64
import dataclasses
import json
import math
import time
from collections.abc import Set as AbstractSet

from tests.fakes import provider_faults, provider_pictures, provider_requests

MODERATION_CATEGORIES = (
    "harassment", "harassment/threatening", "sexual", "hate", "hate/threatening", "illicit", "illicit/violent",
    "self-harm", "self-harm/intent", "self-harm/instructions", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
_TOKENS = {"low": 16, "medium": 48, "high": 96, "auto": 48}
_HTML = b"<!doctype html><title>Bad gateway</title><h1>Welcome to nginx</h1>"


@dataclasses.dataclass(frozen=True)
class Answer:
    """Either `chunks` of one body, or `events` of a stream; and what pictures they hold."""

    colours: list[str]
    digests: list[str]
    media_type: str = "application/json"
    chunks: list[bytes] = dataclasses.field(default_factory=list)
    events: list[bytes] = dataclasses.field(default_factory=list)


def make(wanted: provider_requests.Wanted, plan: provider_faults.Plan, number: int, image_bytes: int) -> Answer:
    """Return the answer to call `number`."""
    pictures = [_picture(wanted, plan.fault, number * 10 + place, image_bytes) for place in range(wanted.count)]
    colours, digests = [one[0] for one in pictures], [one[1] for one in pictures]
    if made := spoiled(plan.fault):
        return Answer(colours, digests, *made)
    if wanted.stream and plan.fault != "no-stream":
        return Answer(colours, digests, events=_events(wanted, plan, number, pictures[0][2]))
    return Answer(colours, digests, chunks=_json(wanted, plan.fault, [one[2] for one in pictures]))


def spoiled(fault: str) -> tuple[str, list[bytes]] | None:
    """Return media type and body of a fault that has nothing of an answer in it."""
    match fault:
        case "html":
            return "text/html", [_HTML]
        case "not-json":
            return "application/json", [b'{"created": 17, "data": [']
        case "empty":
            return "application/json", [b'{"created": 1700000000, "data": [], "results": []}']
        case "error-200":
            error = provider_faults.refusal("moderation", {"stage": "output"})[1]
            return "application/json", [json.dumps({"error": error}).encode()]
    return None


def moderation(model: str, found: AbstractSet[str], number: int) -> dict[str, object]:
    """Return a verdict in which the categories `found` are flagged."""
    names = {*MODERATION_CATEGORIES, *found}
    result = {
        "flagged": bool(found),
        "categories": {name: name in found for name in sorted(names)},
        "category_scores": {name: 0.97 if name in found else 0.0001 for name in sorted(names)},
        "category_applied_input_types": {name: ["text"] for name in sorted(names)},
    }
    return {"id": f"modr-{number}", "model": model, "results": [result]}


def output_tokens(width: int, height: int, quality: str) -> int:
    """Return the tokens that a picture is billed with, by the published formula of gpt-image-2."""
    tier = _TOKENS[quality]
    short = round(tier * min(width, height) / max(width, height))
    return math.ceil(tier * short * (2_000_000 + width * height) / 4_000_000)


def _picture(wanted: provider_requests.Wanted, fault: str, number: int, image_bytes: int) -> tuple[str, str, bytes]:
    """Return colour, SHA-256 and base64."""
    size = wanted.width, wanted.height
    colour = provider_pictures.colour_of(number)
    data = provider_pictures.broken(fault, *size, wanted.family, colour)
    if data is None and image_bytes:
        text = provider_pictures.noise_base64(*size, wanted.family, image_bytes)
        return "", provider_pictures.noise_digest(*size, wanted.family, image_bytes), text
    if data is None:
        clear = wanted.background == "transparent"
        data = provider_pictures.small(*size, wanted.family, colour, transparent=clear)
    text = base64.b64encode(data)
    if fault == "not-base64":
        text = b"*" + text[1:]
    if fault == "wrapped":
        text = base64.encodebytes(data).replace(b"\n", b"\\n")
    return provider_pictures.hex_of(colour), provider_requests.digest(data), text


def _json(wanted: provider_requests.Wanted, fault: str, texts: list[bytes]) -> list[bytes]:
    opening = {"url": b'{"url":"http://127.0.0.1:9/picture.png?', "data-url": b'{"url":"data:image/png;base64,'}
    head = _dumped({"created": int(time.time()), "background": _background(wanted)})[:-1] + b',"data":['
    chunks = [head]
    for place, text in enumerate(texts):
        chunks += [
            b"," * bool(place) + opening.get(fault, b'{"b64_json":"'),
            text if fault != "url" else text[:20],
            b'"}',
        ]
    tail = {"output_format": wanted.family, "quality": _quality(wanted), "size": wanted.size, "usage": _usage(wanted)}
    return [*chunks, b"]," + _dumped(tail)[1:]]


def _events(wanted: provider_requests.Wanted, plan: provider_faults.Plan, number: int, text: bytes) -> list[bytes]:
    kind = "image_edit" if wanted.references else "image_generation"
    common = {
        "created_at": int(time.time()), "size": wanted.size, "quality": _quality(wanted),
        "background": _background(wanted), "output_format": wanted.family,
    }  # fmt: skip
    events = []
    for place in range(wanted.partials):
        small = provider_pictures.small(
            wanted.width, wanted.height, wanted.family, provider_pictures.colour_of(number * 10 - place - 1)
        )
        partial = b"***" if plan.fault == "bad-partial" else base64.b64encode(small)
        events.append(_event(f"{kind}.partial_image", partial, {**common, "partial_image_index": place}, plan.fault))
    if plan.fault == "stream-end":
        return [*events, b": the end\n\n"]
    if plan.fault == "stream-error":
        code = plan.options.get("code", "server_error")
        error = {
            "type": plan.options.get("as", "image_generation_server_error"),
            "code": code,
            "message": "It broke.",
            "param": None,
        }
        return [*events, b"event: error\ndata: " + _dumped({"type": "error", "error": error}) + b"\n\n"]
    return [*events, _event(f"{kind}.completed", text, {**common, "usage": _usage(wanted)}, plan.fault)]


def _event(name: str, text: bytes, words: dict[str, object], fault: str) -> bytes:
    rest = _dumped(words)[1:-1]
    if fault == "type-last":
        return b'data: {"b64_json":"' + text + b'",' + rest + b',"type":"' + name.encode() + b'"}\n\n'
    event = f'event: {name}\ndata: {{"type":"{name}","b64_json":"'.encode() + text + b'",' + rest + b"}\n\n"
    return event.replace(b"\n", b"\r\n") if fault == "crlf" else event


def _usage(wanted: provider_requests.Wanted) -> dict[str, object]:
    texts, images = max(1, len(wanted.prompt) // 4), 1000 * len(wanted.references)
    made = output_tokens(wanted.width, wanted.height, wanted.quality) * wanted.count + 100 * wanted.partials
    return {
        "input_tokens": texts + images, "input_tokens_details": {"image_tokens": images, "text_tokens": texts},
        "output_tokens": made, "total_tokens": texts + images + made,
    }  # fmt: skip


def _quality(wanted: provider_requests.Wanted) -> str:
    return "medium" if wanted.quality == "auto" else wanted.quality


def _background(wanted: provider_requests.Wanted) -> str:
    return "opaque" if wanted.background == "auto" else wanted.background


def _dumped(words: object) -> bytes:
    return json.dumps(words, separators=(",", ":")).encode()
