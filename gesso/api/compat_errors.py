"""OpenAI's error envelope, and what a generation that brought nothing means to a client of that API.

Official clients act on the status: they repeat 408, 409, 429 and 5xx by themselves unless X-Should-Retry says no.
"""

from typing import Any

from gesso.api.refusals import Told
from gesso.generations import failures
from gesso.generations.models import Generation

_PARAMETERS = {"aspect_ratio": "size", "count": "n", "format": "output_format", "references": "image"}
_CODES = {"bad_aspect_ratio": "bad_size", "bad_count": "bad_n", "bad_format": "bad_output_format"}
_TYPES = {402: "insufficient_quota", 403: "permission_error", 429: "rate_limit_error"}
BUSY_SECONDS = 30

# A status for each code of `generations.failures`; what is not here is ours: 500.
STATUSES = {
    "moderation_blocked": 400, "output_withheld": 400, "provider_refused": 400, "reference_unreadable": 400,
    "moderation_unreadable": 400, "output_unreadable": 400, "canceled": 400,
    "moderation_unavailable": 503, "provider_busy": 503, "provider_unavailable": 503, "provider_no_answer": 503,
    "interrupted": 503, "bad_picture": 502, "timed_out": 504, "queued_too_long": 504,
}  # fmt: skip


def theirs(told: Told) -> dict[str, Any]:
    """Return OpenAI's envelope; fields and codes are named as its parameters are."""
    kind = _TYPES.get(told.status, "server_error" if told.status >= 500 else "invalid_request_error")
    if told.code == "moderation_blocked":
        kind = "image_generation_user_error"
    # What is no parameter is named as it was sent.
    parameter = told.field if told.code == "unknown_field" else _PARAMETERS.get(told.field, told.field)
    code = _CODES.get(told.code, told.code)
    return {"error": {"message": told.message, "type": kind, "param": parameter or None, "code": code}}


def ended_without_images(generation: Generation) -> Told:
    """Return the refusal for an ended generation that has no image to show."""
    # Succeeded, but every image was found broken since: as if the service had sent no whole picture.
    code = generation.failure_code or "bad_picture"
    failure = failures.about(code)
    status = STATUSES.get(failure.code, 500)
    return Told(status, failure.code, failure.sentence, retry_after=BUSY_SECONDS if status == 503 else 0)
