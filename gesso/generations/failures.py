"""Why an output or a generation brought nothing, in plain words. Codes are stable; sentences are for people.

What a provider said raw stays on the attempt, for staff. Nothing here blames, and nothing promises.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Failure:
    """A stable `code`, a short `title`, a `sentence`, and whether trying the same again makes sense."""

    code: str
    title: str
    sentence: str
    retry: bool = True


_ALL = (
    Failure(
        "moderation_blocked", "Blocked",
        "The prompt or a reference goes against the content rules. Change it and try again.", retry=False,
    ),
    Failure(
        "output_withheld", "Withheld",
        "The picture that came back goes against the content rules, so it is not shown.", retry=False,
    ),
    Failure(
        "output_unreadable", "Failed",
        "The content check could not read the picture that came back, so it is not shown.",
    ),
    Failure(
        "moderation_unavailable", "Failed",
        "The content check did not answer, so nothing was sent. This is on our side, not your prompt.",
    ),
    Failure(
        "moderation_unreadable", "Failed",
        "The content check could not read the prompt or a reference, so nothing was sent. "
        "Try another prompt, or a smaller reference.",
        retry=False,
    ),
    Failure(
        "provider_refused", "Failed",
        "The image service could not use this request. Try other references or settings.", retry=False,
    ),
    Failure("provider_busy", "Failed", "The image service is too busy just now."),
    Failure(
        "provider_unavailable", "Failed",
        "The image service is temporarily unavailable. This is on our side, not your prompt.",
    ),
    Failure(
        "provider_no_answer", "Failed", "The image service did not answer. This is on our side, not your prompt."
    ),
    Failure("bad_picture", "Failed", "The image service sent something that is not a whole picture."),
    Failure(
        "reference_unreadable", "Failed", "A reference could not be read from storage. Upload it again.", retry=False
    ),
    Failure("timed_out", "Failed", "It took too long and was stopped."),
    Failure("queued_too_long", "Failed", "It waited a whole day without its turn coming, and was ended."),
    Failure("interrupted", "Failed", "It was interrupted several times on our side, and was ended."),
    Failure("canceled", "Canceled", "It was canceled before this picture was made."),
    Failure("internal", "Failed", "Something went wrong on our side."),
)  # fmt: skip
FAILURES = {failure.code: failure for failure in _ALL}


def about(code: str) -> Failure:
    """Return what to say about `code`; an unknown code reads as a fault of ours."""
    return FAILURES.get(code, FAILURES["internal"])


def sentence(code: str) -> str:
    """Return the plain sentence for a user."""
    return about(code).sentence


def title(code: str) -> str:
    """Return the one or two words for a card."""
    return about(code).title
