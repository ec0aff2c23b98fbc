"""The answer of OpenAI's images API for a generation that has ended, made of bytes: pictures are large.

Invariant: what is sent is byte for byte what was delivered; a picture that is not is left out.
"""

import dataclasses
import hashlib
import uuid
from collections.abc import Mapping

import orjson
import pybase64
from django.http import HttpResponse

from gesso.api import compat_errors, door, shapes
from gesso.api.compat_errors import theirs
from gesso.api.refusals import Told
from gesso.credits import queries as credit_queries
from gesso.generations import lifecycle, queries
from gesso.generations.models import Attempt, Generation
from gesso.images import storage
from gesso.images.models import Image

_STILL_RUNNING = Told(504, "still_running", "This takes longer than a call may. It goes on; look it up in the history.")
_RESTARTING = Told(503, "restarting", "Gesso is restarting. The generation goes on; look it up in the history.", "", 2)


@dataclasses.dataclass(frozen=True)
class Asked:
    """What an answer is about. `repeatable`: it came with an idempotency key, so a repeat makes nothing new."""

    workspace_id: uuid.UUID
    generation_id: uuid.UUID
    repeatable: bool


def finished(asked: Asked) -> HttpResponse:
    """Return the images of a generation, or why there are none."""
    generation = queries.find(asked.workspace_id, asked.generation_id)
    if generation is None:
        raise lifecycle.NoSuchGeneration
    if generation.ended_at is None:
        return unfinished(asked, door.answer(_STILL_RUNNING, theirs))
    pictures = [
        data for output in generation.outputs.all() if (image := shapes.shown(output)) and (data := _bytes(image))
    ]
    if pictures:
        response = HttpResponse(_body(generation, pictures), content_type="application/json")
    else:
        response = door.answer(compat_errors.ended_without_images(generation), theirs)
        if generation.state == Generation.State.CANCELED or shapes.charged(generation):
            response["X-Should-Retry"] = "false"
    response["X-Gesso-Generation-Id"] = str(generation.id)
    response["X-Gesso-Credits-Charged"] = str(shapes.charged(generation))
    response["X-Gesso-Credits-Left"] = str(credit_queries.balance(asked.workspace_id).available)
    return response


def interrupted(asked: Asked) -> HttpResponse:
    """Return the answer for a call that the end of this process cut short."""
    return unfinished(asked, door.answer(_RESTARTING, theirs))


def unfinished(asked: Asked, response: HttpResponse) -> HttpResponse:
    """Return `response` to a call whose generation goes on, or has ended and can't be told of now."""
    response["X-Gesso-Generation-Id"] = str(asked.generation_id)
    # Official clients repeat a 5xx by themselves; without an idempotency key that would ask, and pay, a second time.
    response["X-Should-Retry"] = "true" if asked.repeatable else "false"
    if not asked.repeatable:
        del response["Retry-After"]
    return response


def _bytes(image: Image) -> bytes | None:
    try:
        data = storage.current().get(image.storage_key)
    except storage.Missing:
        return None
    return data if hashlib.sha256(data).digest() == bytes(image.sha256) else None


def _body(generation: Generation, pictures: list[bytes]) -> bytes:
    words: dict[str, object] = {
        "created": int(generation.created_at.timestamp()),
        "size": f"{generation.width}x{generation.height}",
        "quality": generation.quality,
        "output_format": generation.format,
    }
    if generation.background != "auto":
        words["background"] = generation.background
    if usage := _usage(generation):
        words["usage"] = usage
    parts = [orjson.dumps(words)[:-1], b',"data":[']
    for place, data in enumerate(pictures):
        parts += [b',{"b64_json":"' if place else b'{"b64_json":"', pybase64.b64encode(data), b'"}']
    return b"".join([*parts, b"]}"])


def _usage(generation: Generation) -> dict[str, object]:
    """Return the provider's own count of tokens over all delivered outputs; empty when it doesn't count."""
    rows = Attempt.objects.filter(output__generation=generation, state=Attempt.State.FINISHED)
    counts = list(rows.values_list("usage", flat=True))
    if not counts or not all(isinstance(count.get("total_tokens"), int) for count in counts):
        return {}
    total: dict[str, object] = {}
    for count in counts:
        total = _added(total, count)
    return total


def _added(total: Mapping[str, object], count: Mapping[str, object]) -> dict[str, object]:
    merged = dict(total)
    for name, value in count.items():
        before = merged.get(name)
        if isinstance(value, Mapping):
            merged[name] = _added(before if isinstance(before, Mapping) else {}, value)
        elif isinstance(value, int):
            merged[name] = value + (before if isinstance(before, int) else 0)
    return merged
