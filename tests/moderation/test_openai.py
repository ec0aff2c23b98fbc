"""OpenAI's moderation over real HTTP: one picture for each request, and no verdict without a clear answer."""

import asyncio
import time

import httpx2
import pytest

from gesso.moderation import openai
from gesso.moderation.verdict import Verdict
from tests import instance, world
from tests.fakes import provider_requests

MODEL = "omni-moderation-latest"
PICTURES = [(world.picture(colour=colour, format=family), f"image/{family.lower()}") for colour, family in (
    ("red", "PNG"), ("lime", "JPEG"), ("blue", "WEBP"), ("white", "PNG"), ("black", "PNG"),
)]  # fmt: skip


def judged(fake, text="", pictures=(), *, url=""):
    async def judge():
        moderations = openai.Moderations("sk-test", url or fake.url, MODEL)
        try:
            return await moderations.judge(text, pictures)
        finally:
            await moderations.close()

    return asyncio.run(judge())


def unavailable(fake, text="Three pears", pictures=(), **where):
    with pytest.raises(openai.Unavailable) as failed:
        judged(fake, text, pictures, **where)
    assert "sk-test" not in str(failed.value)
    return failed.value


def test_a_text_is_asked_about_once(fake):
    assert judged(fake, "Three pears 🍐") == Verdict(allowed=True, categories=(), source=MODEL)
    (call,) = fake.journal()
    assert (call["path"], call["prompt"], call["pictures"], call["model"]) == (
        "/v1/moderations", "Three pears 🍐", [], MODEL,
    )  # fmt: skip


def test_every_picture_has_a_request_of_its_own(fake):
    assert judged(fake, "Three pears", PICTURES).allowed
    calls = fake.journal()
    assert len(calls) == 6
    assert [call["prompt"] for call in calls if not call["pictures"]] == ["Three pears"]
    assert sorted(call["pictures"] for call in calls if call["pictures"]) == sorted(
        [provider_requests.digest(data)] for data, _ in PICTURES
    )


def test_an_output_is_judged_without_a_text(fake):
    assert judged(fake, "", PICTURES[:1]).allowed
    assert len(fake.journal()) == 1


def test_nothing_to_judge_is_no_call(fake):
    assert judged(fake).allowed
    assert fake.journal() == []


def test_flagged_categories_are_told(fake):
    verdict = judged(fake, "[fake: flag=violence,hate]", PICTURES[:2])
    assert verdict == Verdict(allowed=False, categories=("hate", "violence"), source=MODEL)


def test_one_flagged_picture_is_enough(fake):
    fake.control(flag_pictures=["sexual"])
    assert judged(fake, "Three pears", PICTURES[:1]) == Verdict(allowed=False, categories=("sexual",), source=MODEL)
    fake.control(flag_pictures=[], flag=["harassment"])
    assert judged(fake, "Three pears", PICTURES[:1]).categories == ("harassment",)


def test_one_answer_that_is_missing_is_enough_to_say_nothing(fake):
    fake.control(moderation_faults=["503 retry=4 skip=2 times=1"])
    assert unavailable(fake, pictures=PICTURES).retry_after == 4


def test_the_other_questions_are_given_up_when_one_has_no_answer(fake):
    fake.control(moderation_faults=["hang"])
    begun = time.monotonic()
    unavailable(fake, "[fake: moderations 500]", PICTURES)
    assert time.monotonic() - begun < 10
    instance.until(lambda: "working" not in {call["outcome"] for call in fake.journal()}, 5)


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        ("500", None), ("503 retry=12", 12.0), ("429 retry=3", 3.0), ("429", None), ("billing", None), ("bad-key", None),
        ("400", None), ("404", None), ("html", None), ("not-json", None), ("empty", None), ("error-200", None),
        ("truncated", None), ("drop", None),
    ],
)  # fmt: skip
def test_what_is_no_clear_answer_is_no_verdict(fake, fault, pause):
    failed = unavailable(fake, f"Three pears [fake: moderations {fault}]")
    assert failed.retry_after == pause
    assert not failed.final  # of a text, 400 speaks of how we asked
    assert len(fake.journal()) == 1


@pytest.mark.parametrize(
    ("status", "of_text", "of_picture"),
    [(400, False, True), (422, False, True), (413, True, True), (415, True, True), (500, False, False)],
)
def test_what_it_can_never_judge_is_final(status, of_text, of_picture):
    moderations = openai.Moderations("sk-test", "http://127.0.0.1:9/v1", MODEL)

    async def answer(*_, **__):
        return httpx2.Response(status, content=b"{}")

    moderations._client.post = answer
    for text, pictures, final in (("Three pears", [], of_text), ("", PICTURES[:1], of_picture)):
        with pytest.raises(openai.Unavailable) as refused:
            asyncio.run(moderations.judge(text, pictures))
        assert refused.value.final is final


@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_silence_is_no_verdict(fake, fault, monkeypatch):
    monkeypatch.setattr(openai, "SECONDS", 0.4)
    assert "ReadTimeout" in str(unavailable(fake, f"[fake: moderations {fault}]"))


def test_a_server_that_is_not_there_is_no_verdict(fake):
    assert "ConnectError" in str(unavailable(fake, url=f"http://127.0.0.1:{instance.free_port()}/v1"))


def test_a_server_without_moderation_is_told_in_words_for_the_operator(fake):
    assert 'remote = "off"' in str(unavailable(fake, "[fake: moderations 404]"))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"results": null}', b'{"results": []}', b'{"results": [{}]}', b'{"results": [7]}',
     b'{"results": [{"flagged": false, "categories": null}]}', b'{"results": {"flagged": false}}'],
)  # fmt: skip
def test_strange_answers_are_no_verdict(body):
    moderations = openai.Moderations("sk-test", "http://127.0.0.1:9/v1", MODEL)
    with pytest.raises(openai.Unavailable):
        moderations._read(body)
    asyncio.run(moderations.close())


@pytest.mark.parametrize("base", ["/v1", "/v1/", "/openai/v1"])
def test_the_base_url_is_honoured(fake, base):
    judged(fake, "Three pears", url=fake.url.removesuffix("/v1") + base)
    assert [call["path"] for call in fake.journal()] == [base.rstrip("/") + "/moderations"]
