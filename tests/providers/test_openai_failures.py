"""OpenAI's adapter over real HTTP when it fails: the kind of each failure, one call and never a second one by itself."""

import asyncio
import time

import pytest

from gesso.providers import openai, protocol
from tests import instance
from tests.providers import asking


@pytest.fixture
def adapter(fake):
    return openai.OpenAI("sk-test", fake.url)


def failure(adapter, asked):
    with pytest.raises(protocol.ProviderFailure) as failed:
        raw, _ = asking.answered(adapter, asked)
        adapter.read(raw)
    return failed.value


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("moderation", "moderation", "moderation_blocked"),
        ("policy", "moderation", "content_policy_violation"),
        ("azure", "moderation", "bad_request"),
        ("error-200", "moderation", "moderation_blocked"),
        ("user-error", "user_input", "invalid_image_file"),
        ("400", "user_input", "invalid_request_error"),
        ("422", "user_input", "invalid_request_error"),
        ("billing", "operator", "insufficient_quota"),
        ("billing-limit", "operator", "billing_hard_limit_reached"),
        ("spend-limit", "operator", "project_spend_limit_exceeded"),
        ("bad-key", "operator", "invalid_api_key"),
        ("403", "operator", "invalid_request_error"),
        ("404", "operator", "model_not_found"),
        ("429", "rate_limited", "rate_limit_exceeded"),
        ("408", "unavailable", "invalid_request_error"),
        ("409", "unavailable", "invalid_request_error"),
        ("500", "unavailable", "server_error"),
        ("502", "unavailable", "server_error"),
        ("503", "unavailable", "server_error"),
        ("529", "unavailable", "server_error"),
        ("504", "unknown", "server_error"),
        ("524", "unknown", "server_error"),
    ],
)
@pytest.mark.parametrize("previews", [0, 2], ids=["whole", "streamed"])
def test_each_error_has_its_kind_and_is_asked_for_once(fake, adapter, fault, kind, code, previews):
    failed = failure(adapter, asking.request(f"[fake: {fault}]", previews=previews))
    assert (failed.kind, failed.code) == (kind, code)
    assert failed.request_id.startswith("req_")
    assert len(fake.images()) == 1


def test_staff_are_told_what_was_said_and_nobody_the_key(fake, adapter):
    failed = failure(adapter, asking.request("[fake: moderation stage=output]"))
    assert "safety system" in failed.raw
    assert "'moderation_stage': 'output'" in failed.raw
    assert "sk-test" not in f"{failed} {failed.raw}"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("retry=7", 7.0), ("retry=0", 0.0), ("retry=86400", 600.0), ("retry=-3", 0.0), ("retry=soon", None),
        ("retry=nan", None), ("retry=7 retry-ms=2500", 2.5), ("retry-ms=90000", 90.0), ("retry=7 retry-ms=x", 7.0), ("", None),
    ],
)  # fmt: skip
def test_the_pause_it_asks_for_is_kept_within_reason(fake, adapter, said, seconds):
    failed = failure(adapter, asking.request(f"[fake: 429 {said}]"))
    assert (failed.kind, failed.retry_after) == ("rate_limited", seconds)


@pytest.mark.parametrize("fault", ["hang", "stall"])
@pytest.mark.parametrize("previews", [0, 2], ids=["whole", "streamed"])
def test_silence_past_the_timeout_leaves_the_outcome_unknown(fake, adapter, fault, previews):
    failed = failure(adapter, asking.request(f"[fake: {fault}]", timeout=2, previews=previews))
    assert (failed.kind, failed.code) == ("unknown", "ReadTimeout")
    (call,) = fake.images()
    assert (call["accepted"], call["answered"]) == (True, False)


@pytest.mark.parametrize("fault", ["truncated", "drop"])
@pytest.mark.parametrize("previews", [0, 2], ids=["whole", "streamed"])
def test_a_lost_connection_leaves_the_outcome_unknown(fake, adapter, fault, previews):
    failed = failure(adapter, asking.request(f"[fake: {fault}]", previews=previews))
    assert (failed.kind, failed.code) == ("unknown", "RemoteProtocolError")
    assert [call["accepted"] for call in fake.images()] == [True]


def test_a_stream_that_ends_without_its_picture_leaves_the_outcome_unknown(fake, adapter):
    failed = failure(adapter, asking.request("[fake: stream-end]", previews=1))
    assert (failed.kind, failed.code) == ("unknown", "stream_ended_early")


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ("", "unavailable", "server_error"),
        ("code=overloaded", "unavailable", "overloaded"),
        ("code=moderation_blocked", "moderation", "moderation_blocked"),
        ("code=rate_limit_exceeded", "rate_limited", "rate_limit_exceeded"),
        ("code=insufficient_quota", "operator", "insufficient_quota"),
        ("code=invalid_image as=image_generation_user_error", "user_input", "invalid_image"),
    ],
)
def test_an_error_inside_a_stream_has_its_kind(fake, adapter, said, kind, code):
    failed = failure(adapter, asking.request(f"[fake: stream-error {said}]", previews=2))
    assert (failed.kind, failed.code) == (kind, code)
    assert len(fake.images()) == 1


def test_a_request_that_never_left_is_surely_not_accepted():
    nobody = openai.OpenAI("sk-test", f"http://127.0.0.1:{instance.free_port()}/v1")
    failed = failure(nobody, asking.request())
    assert (failed.kind, failed.code) == ("unavailable", "ConnectError")


def test_an_answer_without_end_is_cut_off(fake, adapter, monkeypatch):
    monkeypatch.setattr(openai.http, "LARGEST_ANSWER", 500)
    for previews in (0, 1):
        adapter = openai.OpenAI("sk-test", fake.url)
        failed = failure(adapter, asking.request(previews=previews))
        assert (failed.kind, failed.code) == ("malformed", "answer_too_large")


def test_giving_a_call_up_hangs_up_at_once(fake, adapter):
    async def give_up():
        async def preview(_):
            raise AssertionError("nothing was shown yet")

        call = asyncio.create_task(adapter.submit(asking.request("[fake: hang]"), preview))
        await asyncio.to_thread(instance.until, fake.images, 10, "the call to arrive")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await adapter.close()

    asyncio.run(give_up())
    instance.until(lambda: [call["outcome"] for call in fake.images()] == ["client left"], 5)


def test_many_calls_at_once_share_one_adapter(fake, adapter):
    async def all_of_them():
        async def preview(_):
            return None

        asked = [asking.request(f"number {number} [fake: latency=1]") for number in range(40)]
        raws = await asyncio.gather(*(adapter.submit(one, preview) for one in asked))
        await adapter.close()
        return raws

    begun = time.monotonic()
    raws = asyncio.run(all_of_them())
    assert len({adapter.read(raw).data for raw in raws}) == 40
    assert len({call["prompt"] for call in fake.images()}) == 40
    assert time.monotonic() - begun < 40
