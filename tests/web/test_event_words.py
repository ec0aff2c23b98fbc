"""Each kind of event reads as a sentence; an unknown one is shown, not hidden."""

import pytest

from gesso.web import event_words
from tests.web.test_cards import generation


@pytest.mark.parametrize(
    ("kind", "data", "title", "words"),
    [
        ("submitted", {"held": 8}, "Submitted", "2 images, Medium, 4:5. 8 credits held."),
        ("running", {"model": "gpt-image-2"}, "Checked and sent to the image service", "GPT Image 2. Waited 4 min 36 s."),
        ("delivered", {"index": 1}, "Image 2 checked and stored", "The original is kept byte for byte."),
        ("attempt_failed", {"index": 0, "reason": "rate_limited", "again_in": 8.2}, "Image 1: a try failed", "The image service was busy. Trying again after 8 s."),
        ("attempt_failed", {"index": 0, "reason": "unknown", "again_in": 0.0}, "Image 1: a try failed", "The image service did not answer. Trying again at once."),
        ("attempt_failed", {"index": 0, "reason": "moderation", "again_in": None}, "Image 1: a try failed", "It was refused by the content rules of the image service."),
        ("attempt_failed", {"index": 0, "reason": "operator"}, "Image 1: a try failed", "The image service is temporarily unavailable. This is on our side, not your prompt."),
        ("output_failed", {"index": 1, "code": "bad_picture"}, "Image 2 was not delivered", "The image service sent something that is not a whole picture."),
        ("withdrawn", {"index": 0, "returned": 4}, "Image 1 withdrawn", "The file proved broken. 4 credits returned."),
        ("succeeded", {"delivered": 1, "asked": 2, "charged": 4, "returned": 4}, "Ended with 1 of 2 images", "4 credits charged. 4 credits returned."),
        ("failed", {"code": "timed_out", "charged": 0, "returned": 8}, "Failed", "It took too long and was stopped. Not charged. 8 credits returned."),
        ("canceled", {"charged": 0, "returned": 8}, "Canceled", "Not charged. 8 credits returned."),
        ("something_new", {}, "Something new", ""),
    ],
)  # fmt: skip
def test_every_event_reads(kind, data, title, words):
    reading = event_words.read(generation("running", "open", "open"), kind, data)
    assert (reading.title, reading.words) == (title, words)


def test_what_a_provider_said_raw_is_never_repeated():
    reading = event_words.read(
        generation("running", "open"), "attempt_failed", {"index": 0, "reason": "<script>", "raw": "key sk-1"}
    )
    assert "script" not in reading.words
    assert "sk-1" not in reading.words
