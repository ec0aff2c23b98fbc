"""Identifiers: version 7, in the order they were made, and read strictly."""

import time
import uuid

import pytest

from gesso.core import ids


def test_an_id_is_a_version_7_of_now():
    before = time.time_ns() // 1_000_000
    made = ids.uuid7()
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= after


def test_ids_sort_by_the_millisecond_they_were_made_in():
    first = ids.uuid7()
    time.sleep(0.002)
    assert first < ids.uuid7()


def test_ids_do_not_repeat_within_a_millisecond():
    assert len({ids.uuid7() for _ in range(10_000)}) == 10_000


def test_an_id_is_read_as_it_is_written():
    made = ids.uuid7()
    assert ids.parse(str(made)) == made
    assert ids.parse(str(made).upper()) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0" * 32,
        "{01890000-0000-7000-8000-000000000000}",
        "urn:uuid:01890000-0000-7000-8000-000000000000",
        None,
        7,
    ],
)
def test_anything_else_is_not_an_id(text):
    assert ids.parse(text) is None
