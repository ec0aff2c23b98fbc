"""The fake provider itself: as strict as the real one, as faulty as it is told, and honest in its journal."""

import base64
import subprocess
import sys
import time

import httpx2
import pytest

from gesso.images import intake
from tests import instance, world
from tests.fakes import provider, provider_faults, provider_pictures
from tests.providers import asking


@pytest.fixture
def client(fake):
    with httpx2.Client(
        base_url=f"{fake.url}/", headers={"Authorization": "Bearer sk-test"}, trust_env=False, timeout=10
    ) as client:
        yield client


def generate(client, prompt="Three pears", **words):
    return client.post("images/generations", json={"prompt": prompt, "model": "gpt-image-2", **words})


def bytes_of(answer):
    return base64.b64decode(answer.json()["data"][0]["b64_json"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"response_format": "b64_json"}, "unknown_parameter"),
        ({"input_fidelity": "high"}, "unknown_parameter"),
        ({"size": "100x100"}, "invalid_value"),
        ({"size": "1000x1000"}, "invalid_value"),
        ({"size": "4096x4096"}, "invalid_value"),
        ({"model": "gpt-image-1.5", "size": "1024x1280"}, "invalid_value"),
        ({"quality": "hd"}, "invalid_value"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value"),
        ({"n": 11}, "invalid_value"),
        ({"partial_images": 4}, "invalid_value"),
        ({"prompt": ""}, "missing_required_parameter"),
        ({"prompt": "x" * 32_001}, "string_above_max_length"),
        ({"prompt": "[fake: tea]"}, "fake_does_not_know"),
    ],
)
def test_what_openai_refuses_is_refused(client, words, code):
    answer = generate(client, **words)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_a_caller_without_a_key_is_refused(fake):
    for headers in ({}, {"Authorization": "Basic eA=="}):
        answer = httpx2.get(f"{fake.url}/models", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_models_are_listed_and_other_addresses_are_not_found(client):
    assert "gpt-image-2" in {row["id"] for row in client.get("models").json()["data"]}
    assert client.get("images/generations").status_code == 404


def test_references_must_be_what_they_say(client):
    png = world.picture()
    words = {"prompt": "Three pears", "model": "gpt-image-2"}
    good = client.post("images/edits", data=words, files=[("image[]", ("a.png", png, "image/png"))])
    lying = client.post("images/edits", data=words, files=[("image[]", ("a.png", png, "image/jpeg"))])
    none = client.post("images/edits", data=words, files=[("picture", ("a.png", png, "image/png"))])
    assert [good.status_code, lying.status_code, none.status_code] == [200, 400, 400]
    assert lying.json()["error"]["code"] == "unsupported_file_mimetype"


def test_moderation_takes_one_picture_only(client):
    url = "data:image/png;base64," + base64.b64encode(world.picture()).decode()
    two = [{"type": "image_url", "image_url": {"url": url}}] * 2
    answer = client.post("moderations", json={"model": "m", "input": two})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_images")


@pytest.mark.parametrize("family", ["png", "webp", "jpeg"])
def test_pictures_are_whole_of_the_size_asked_for_and_all_different(client, family):
    made = [bytes_of(generate(client, size="1536x864", output_format=family)) for _ in range(5)]
    assert {(proof.width, proof.height) for proof in map(intake.prove, made)} == {(1536, 864)}
    assert len(set(made)) == 5
    assert len({provider_pictures.colour_of(number) for number in range(5000)}) > 4500


@pytest.mark.parametrize("family", ["png", "webp", "jpeg"])
def test_pictures_of_noise_have_about_the_bytes_asked_for(fake, client, family):
    fake.control(image_bytes=400_000)
    first, second = (bytes_of(generate(client, output_format=family)) for _ in range(2))
    assert first == second
    assert 300_000 < len(first) < 500_000
    assert asking.opened(first).size == (1024, 1024)


def test_more_outputs_in_one_call_are_as_many_pictures(client):
    rows = generate(client, n=3).json()["data"]
    assert len({row["b64_json"] for row in rows}) == 3


def test_a_fault_for_everybody_comes_as_often_as_it_says(fake, client):
    fake.control(faults=["503 times=2", "429 retry=1 skip=3 times=1"])
    assert [generate(client).status_code for _ in range(6)] == [503, 503, 200, 429, 200, 200]
    fake.control(faults=[])
    assert generate(client).status_code == 200


def test_a_fault_of_a_prompt_is_counted_for_that_prompt(fake, client):
    prompts = ["one [fake: 500 times=1]", "two [fake: 500 times=1]"] * 2
    assert [generate(client, prompt).status_code for prompt in prompts] == [500, 500, 200, 200]
    fake.forget()
    assert generate(client, prompts[0]).status_code == 500


def test_a_share_of_calls_fails_and_the_same_ones_each_time(fake, client):
    fake.control(faults=["500 share=0.3"])
    seen = []
    for _ in range(2):
        seen.append([generate(client).status_code for _ in range(60)])
        fake.forget()
        fake.control(faults=["500 share=0.3"])
    assert seen[0] == seen[1]
    assert 5 < seen[0].count(500) < 35


def test_latency_is_kept(fake, client):
    fake.control(latency=0.3)
    begun = time.monotonic()
    assert generate(client).status_code == 200
    assert time.monotonic() - begun >= 0.3
    begun = time.monotonic()
    assert generate(client, "[fake: latency=0.6]").status_code == 200
    assert time.monotonic() - begun >= 0.6


def test_unknown_settings_and_faults_are_mistakes(fake):
    for words in ({"speed": 1}, {"faults": ["tea"]}, {"faults": ["500 500"]}, {"faults": [""]}):
        with pytest.raises(ValueError, match="fake provider"):
            fake.control(**words)


@pytest.mark.parametrize("fault", sorted(provider_faults.REFUSALS))
def test_each_refusal_has_openais_shape(client, fault):
    answer = generate(client, f"[fake: {fault}]")
    assert answer.status_code in {400, 401, 429}
    assert {"message", "type", "param", "code"} <= answer.json()["error"].keys()


def test_the_journal_tells_what_was_accepted_and_answered(fake, client):
    generate(client, "whole")
    generate(client, "[fake: 500]")
    with pytest.raises(httpx2.RemoteProtocolError):
        generate(client, "[fake: drop]")
    with pytest.raises(httpx2.ReadTimeout):
        client.post("images/generations", json={"prompt": "[fake: latency=5]"}, timeout=1)
    instance.until(lambda: fake.journal()[-1]["outcome"] == "client left", 10)
    rows = [(row["outcome"], row["accepted"], row["answered"]) for row in fake.journal()]
    assert rows == [
        ("completed", True, True), ("500", False, True), ("drop", True, False), ("client left", True, False),
    ]  # fmt: skip
    fake.forget()
    assert fake.journal() == []


def test_it_ends_with_the_process_that_started_it():
    command = [sys.executable, "-m", "tests.fakes.provider", "--until-stdin-ends"]
    with subprocess.Popen(
        command, cwd=provider.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(10) == 0


def test_it_ends_in_order_even_while_calls_hang():
    command = [sys.executable, "-m", "tests.fakes.provider", "--port", "0"]
    with subprocess.Popen(command, cwd=provider.ROOT, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().removeprefix(provider.READY).strip()
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(
                f"{address}/v1/images/generations", json={"prompt": "[fake: hang]"}, timeout=0.3, trust_env=False,
                headers={"Authorization": "Bearer x"},
            )  # fmt: skip
        process.terminate()
        assert process.wait(10) is not None
