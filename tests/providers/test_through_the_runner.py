"""The adapter in its place: generations run against the fake provider over HTTP, with a real database and storage."""

import dataclasses

import pytest

from gesso.generations import attempts
from gesso.generations.models import Attempt, Generation, Output
from gesso.images import storage
from gesso.providers import openai, protocol
from tests import world
from tests.fakes import provider_requests

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.0)


def run(fake, prompt, **settings):
    """Return the generation after it ran, and the calls that reached the provider."""
    generation = world.submit(world.person(credits=100), prompt, **settings)
    ended = world.drive(generation, openai.OpenAI("sk-test", fake.url))
    return ended, fake.images(prompt=prompt)


def outputs(generation: Generation) -> list[Output]:
    return list(Output.objects.filter(generation=generation).select_related("image").order_by("index"))


def test_every_output_is_one_call_and_its_bytes_are_kept(fake):
    ended, calls = run(fake, "Four of them", count=4)
    assert ended.state == "succeeded"
    assert len(calls) == 4
    stored = {provider_requests.digest(storage.current().get(one.image.storage_key)) for one in outputs(ended)}
    assert stored == {call["made"][0] for call in calls}
    assert {len(call["end_user"]) for call in calls} == {32}
    used = Attempt.objects.filter(output__generation=ended).values_list("usage", flat=True)
    assert all(usage["total_tokens"] > 0 for usage in used)


def test_the_raw_answer_is_spooled_before_anybody_reads_it(fake):
    generation = world.submit(world.person(credits=100), "Spooled first")
    found = []

    class Looking(openai.OpenAI):
        def read(self, raw: protocol.Raw) -> protocol.Picture:
            keys = [one.key for one in storage.current().keys(f"spool/{generation.id}")]
            found.extend(storage.current().get(key).endswith(raw.body) for key in keys)
            return super().read(raw)

    assert world.drive(generation, Looking("sk-test", fake.url)).state == "succeeded"
    assert found == [True]
    assert list(storage.current().keys(f"spool/{generation.id}")) == []


def test_some_outputs_may_fail_and_only_the_others_are_paid_for(fake):
    who = world.person(credits=100)
    generation = world.submit(who, "Two of four [fake: fail-outputs=2]", count=4, quality="medium")
    ended = world.drive(generation, openai.OpenAI("sk-test", fake.url))
    assert ended.state == "succeeded"
    assert sorted(one.failure_code for one in outputs(ended)) == ["", "", "moderation_blocked", "moderation_blocked"]
    assert len(fake.images()) == 4
    assert world.available(who) == 100 - 2 * 4


@pytest.mark.parametrize(
    ("directive", "calls", "code"),
    [
        ("500 times=1", 2, ""),
        ("429 retry=0 times=3", 4, ""),
        ("truncated times=1", 2, ""),
        ("bad-crc times=1", 2, ""),
        ("drop", 2, "provider_no_answer"),
        ("bad-crc", 2, "bad_picture"),
        ("bomb", 2, "bad_picture"),
        ("svg", 2, "bad_picture"),
        ("gif", 2, "bad_picture"),
        ("html", 2, "bad_picture"),
        ("empty", 2, "bad_picture"),
        ("503", 5, "provider_unavailable"),
        ("429 retry=0", 9, "provider_busy"),
        ("moderation", 1, "moderation_blocked"),
        ("user-error", 1, "provider_refused"),
        ("billing", 1, "provider_unavailable"),
        ("bad-key", 1, "provider_unavailable"),
    ],
)
def test_each_fault_is_asked_again_as_often_as_the_table_says(fake, directive, calls, code):
    ended, seen = run(fake, f"One picture [fake: {directive}]")
    assert ended.state == ("failed" if code else "succeeded")
    assert [one.failure_code for one in outputs(ended)] == [code]
    assert len(seen) == calls
    assert Attempt.objects.filter(output__generation=ended).count() == calls


def test_a_picture_of_another_size_is_delivered_as_what_it_is(fake):
    ended, _ = run(fake, "Half of it [fake: wrong-size]")
    (one,) = outputs(ended)
    assert (one.image.width, one.image.height) == (ended.width // 2, ended.height // 2)


def test_references_reach_the_provider_in_their_order(fake):
    who = world.person(credits=100)
    images = [world.upload(who, colour=colour) for colour in ("red", "lime", "blue")]
    references = [{"image_id": str(image.id), "role": "style"} for image in images]
    generation = world.submit(who, "In the style of these", references=references)
    assert world.drive(generation, openai.OpenAI("sk-test", fake.url)).state == "succeeded"
    (call,) = fake.images()
    assert [one["sha256"] for one in call["references"]] == [bytes(image.sha256).hex() for image in images]


def test_a_call_is_cut_off_when_its_whole_time_is_over(fake, monkeypatch):
    plain = protocol.Request

    def impatient(**words):
        return dataclasses.replace(plain(**words), timeout=1.5)

    monkeypatch.setattr(protocol, "Request", impatient)
    ended, calls = run(fake, "Drop by drop [fake: trickle]")
    assert [one.failure_code for one in outputs(ended)] == ["provider_no_answer"]
    assert [call["answered"] for call in calls] == [False, False]
