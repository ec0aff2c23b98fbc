"""How one event of a generation's timeline reads: a title, a sentence, and a tone.

One small function for each kind. A kind that this page does not know yet is shown by its name; what a provider said
raw is never in an event.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from gesso.generations import failures
from gesso.generations.models import Generation
from gesso.web import cards, wording

REASONS = {
    "moderation": "It was refused by the content rules of the image service.",
    "user_input": "The image service could not use the request.",
    "operator": failures.sentence("provider_unavailable"),  # the key or its quota: a matter of staff, who see the kind
    "rate_limited": "The image service was busy.",
    "unavailable": "The image service was not available.",
    "unknown": "The image service did not answer.",
    "sender_died": "We were interrupted while waiting for the answer.",
    "malformed": "The image service sent something that is not a whole picture.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """`tone` is good, warn, bad, or empty for neither."""

    title: str
    words: str
    tone: str


Data = Mapping[str, Any]


def read(generation: Generation, kind: str, data: Data) -> Reading:
    """Return how an event of `kind` with `data` reads."""
    reader = _READERS.get(kind)
    return reader(generation, data) if reader else Reading(kind.replace("_", " ").capitalize(), "", "")


def reason(failure_kind: str) -> str:
    """Return why a try failed, in plain words."""
    return REASONS.get(failure_kind, REASONS["unknown"])


def _submitted(generation: Generation, data: Data) -> Reading:
    asked = [wording.plural(generation.count, "image"), cards.QUALITIES[generation.quality], generation.aspect_ratio]
    held = wording.plural(int(data.get("held", generation.price)), "credit")
    return Reading("Submitted", f"{', '.join(asked)}. {held} held.", "good")


def _running(generation: Generation, data: Data) -> Reading:
    started = generation.started_at or generation.created_at
    seconds = (started - generation.created_at).total_seconds()
    waited = f" Waited {wording.duration(seconds)}." if seconds >= 1 else ""
    model = cards.model_name(str(data.get("model", generation.model)))
    return Reading("Checked and sent to the image service", f"{model}.{waited}", "good")


def _delivered(_: Generation, data: Data) -> Reading:
    return Reading(f"{_image(data)} checked and stored", "The original is kept byte for byte.", "good")


def _attempt_failed(_: Generation, data: Data) -> Reading:
    words = reason(str(data.get("reason", "")))
    again = data.get("again_in")
    if again is not None:
        words += f" Trying again {f'after {wording.duration(again)}' if again >= 1 else 'at once'}."
    return Reading(f"{_image(data)}: a try failed", words, "warn")


def _output_failed(_: Generation, data: Data) -> Reading:
    return Reading(f"{_image(data)} was not delivered", failures.sentence(str(data.get("code", ""))), "warn")


def _withdrawn(_: Generation, data: Data) -> Reading:
    returned = int(data.get("returned", 0))
    back = f" {wording.plural(returned, 'credit')} returned." if returned else ""
    return Reading(f"{_image(data)} withdrawn", f"The file proved broken.{back}", "warn")


def _rescued(_: Generation, __: Data) -> Reading:
    return Reading("Taken over", "A part of Gesso stopped, another went on. Nothing is charged twice.", "warn")


def _cancel_asked(_: Generation, __: Data) -> Reading:
    return Reading("Cancel asked", "What was delivered is kept.", "")


def _succeeded(generation: Generation, data: Data) -> Reading:
    asked = wording.plural(int(data.get("asked", generation.count)), "image")
    return Reading(f"Ended with {data.get('delivered', 0)} of {asked}", _money(data), "good")


def _failed(_: Generation, data: Data) -> Reading:
    failure = failures.about(str(data.get("code", "")))
    return Reading(failure.title, f"{failure.sentence} {_money(data)}", "bad")


def _canceled(_: Generation, data: Data) -> Reading:
    return Reading("Canceled", _money(data), "")


def _image(data: Data) -> str:
    return f"Image {int(data.get('index', 0)) + 1}"


def _money(data: Data) -> str:
    charged, returned = int(data.get("charged", 0)), int(data.get("returned", 0))
    words = f"{wording.plural(charged, 'credit')} charged." if charged else "Not charged."
    return f"{words} {wording.plural(returned, 'credit')} returned." if returned else words


_READERS: dict[str, Callable[[Generation, Data], Reading]] = {
    "submitted": _submitted,
    "running": _running,
    "delivered": _delivered,
    "attempt_failed": _attempt_failed,
    "output_failed": _output_failed,
    "withdrawn": _withdrawn,
    "rescued": _rescued,
    "cancel_asked": _cancel_asked,
    "succeeded": _succeeded,
    "failed": _failed,
    "canceled": _canceled,
}
