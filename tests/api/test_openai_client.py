"""A whole instance, asked by the official client, unchanged, and by many callers at once."""

import asyncio
import base64
import concurrent.futures
import contextlib
import hashlib
import io
import pathlib
import re

import httpx2
import openai
import pytest
from PIL import Image as Pillow

from tests import world
from tests.instance import running, until

PROMPT = "Three pears in a stoneware bowl"
CROWD = 60  # calls that wait at once


class Customer:
    """A person of a running instance who has a key."""

    def __init__(self, instance, email: str, granted: int) -> None:
        self.instance, self.email = instance, email
        instance.run("user", "add", email)
        instance.run("grant", email, str(granted), "--reason", "a test")
        self.key = instance.run("key", "create", email).stdout.strip()
        self.http = httpx2.Client(
            base_url=instance.url, headers={"Authorization": f"Bearer {self.key}"}, trust_env=False, timeout=30
        )

    def get(self, path: str, **query):
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def available(self) -> int:
        return self.get("/api/credits")["available"]

    def client(self, **more) -> openai.OpenAI:
        http = openai.DefaultHttpxClient(trust_env=False)
        return openai.OpenAI(base_url=f"{self.instance.url}/v1", api_key=self.key, http_client=http, **more)


@pytest.fixture(scope="module")
def instance(places):
    with running(places()) as started:
        yield started


@pytest.fixture(scope="module")
def customer(instance):
    known = Customer(instance, "client@example.com", 1000)
    with contextlib.closing(known.http):
        yield known


@pytest.fixture
def client(customer):
    with customer.client() as made:
        yield made


def opened(data: str) -> Pillow.Image:
    return Pillow.open(io.BytesIO(base64.b64decode(data)))


def test_the_official_client_gets_its_images(customer, client):
    before = customer.available
    raw = client.images.with_raw_response.generate(prompt=PROMPT, n=2, size="1024x1536", quality="low")
    answer = raw.parse()
    assert (answer.size, answer.quality, answer.output_format) == ("1024x1536", "low", "png")
    assert [opened(image.b64_json).size for image in answer.data] == [(1024, 1536)] * 2
    assert raw.headers["x-gesso-credits-charged"] == "2"
    assert raw.headers["x-gesso-credits-left"] == str(customer.available) == str(before - 2)
    assert raw.headers["x-request-id"].startswith("req_")
    whole = customer.get(f"/api/generations/{raw.headers['x-gesso-generation-id']}")
    assert [output["image"]["sha256"] for output in whole["outputs"]] == [
        hashlib.sha256(base64.b64decode(image.b64_json)).hexdigest() for image in answer.data
    ]


def test_the_official_client_edits(customer, client):
    pictures = [("one.png", world.picture()), ("two.jpg", world.picture(format="JPEG"))]
    raw = client.images.with_raw_response.edit(
        image=pictures, prompt="Both on linen", quality="low", size="auto", output_format="webp", n=1
    )
    (image,) = raw.parse().data
    assert opened(image.b64_json).format == "WEBP"
    whole = customer.get(f"/api/generations/{raw.headers['x-gesso-generation-id']}")
    labels = [customer.get(f"/api/images/{row['image_id']}")["label"] for row in whole["references"]]
    assert labels == ["one.png", "two.jpg"]
    (image,) = client.images.edit(image=world.picture(), prompt="On linen", quality="low").data
    assert opened(image.b64_json).format == "PNG"


def test_the_official_client_lists_models(client):
    assert [model.id for model in client.models.list()] == ["sandbox"]
    assert client.models.retrieve("sandbox").owned_by == "sandbox"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-image-2")


def test_the_official_client_understands_refusals(customer, client):
    before = customer.available
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(prompt=PROMPT, size="256x256")
    assert (refused.value.code, refused.value.param, refused.value.type) == (
        "bad_size",
        "size",
        "invalid_request_error",
    )
    assert refused.value.request_id.startswith("req_")
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(prompt=PROMPT, stream=True)
    assert refused.value.code == "stream_unsupported"
    with pytest.raises(openai.APIStatusError) as refused:
        client.images.generate(prompt=PROMPT, quality="high", n=4, extra_body={"user": "x"}, model="none")
    assert refused.value.code == "unknown_model"
    with customer.client() as stranger, pytest.raises(openai.AuthenticationError):
        stranger.with_options(api_key="gsk_wrong").images.generate(prompt=PROMPT)
    assert customer.available == before


def test_a_large_request_takes_an_active_key(instance, customer):
    def answer(key):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return httpx2.post(
            f"{instance.url}/v1/images/generations",
            content=b"x" * 100_000,
            headers=headers,
            trust_env=False,
            timeout=30,
        )

    assert answer(customer.key).status_code == 400  # it was read, and is no JSON
    refused = answer(customer.key[:-1])
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_one_idempotency_key_is_one_generation(customer, client):
    before = customer.available
    answers = [
        client.images.with_raw_response.generate(
            prompt=PROMPT, quality="low", extra_headers={"Idempotency-Key": "the same"}
        )
        for _ in range(2)
    ]
    assert answers[0].headers["x-gesso-generation-id"] == answers[1].headers["x-gesso-generation-id"]
    assert answers[0].content == answers[1].content
    assert customer.available == before - 1
    with pytest.raises(openai.ConflictError):
        client.with_options(max_retries=0).images.generate(
            prompt="Something else", extra_headers={"Idempotency-Key": "the same"}
        )


def test_twenty_at_once_with_one_key_are_one_generation(customer):
    before = customer.available

    def ask(_):
        return customer.http.post(
            "/api/generations", json={"prompt": PROMPT, "quality": "low"}, headers={"Idempotency-Key": "twenty"}
        )

    with concurrent.futures.ThreadPoolExecutor(20) as threads_:
        answers = list(threads_.map(ask, range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert customer.available == before - 1


def test_who_hangs_up_finds_the_images_in_the_history(customer, client):
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.7, max_retries=0).images.generate(prompt="A hasty pear", quality="low")

    def made():
        rows = customer.get("/api/generations", q="A hasty pear")["generations"]
        return rows and rows[0]["state"] == "succeeded" and rows[0]["outputs"][0]["image"]

    picture = until(made, 30, "the images of a caller who hung up")
    data = customer.http.get(picture["content"]).content
    assert hashlib.sha256(data).hexdigest() == picture["sha256"]


def test_events_come_over_the_stream_as_work_goes_on(customer):
    with customer.http.stream("GET", "/api/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 1000"
        made = customer.http.post("/api/generations", json={"prompt": PROMPT, "quality": "low"}).json()
        states = []
        for line in lines:
            if line.startswith("data:") and made["id"] in line:
                states += re.findall(r'"state":"(\w+)"', line)
            if states and states[-1] == "succeeded":
                break
    assert states[0] in {"queued", "running"}


def unix_sockets(pid: int) -> int:
    """How many Unix sockets a process has: its connections to the database, and the event loop's own pair."""
    links = []
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            links.append(path.readlink().name)
    mine = {found[1] for name in links if (found := re.fullmatch(r"socket:\[(\d+)\]", name))}
    rows = pathlib.Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]
    return len(mine & {row.split()[6] for row in rows})


def threads(pid: int) -> int:
    return int(re.search(r"^Threads:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def test_waiting_calls_share_six_connections(instance):
    crowd = Customer(instance, "crowd@example.com", CROWD)
    web = instance.parts()["web"]
    seen = []

    async def run() -> int:
        async with httpx2.AsyncClient(
            base_url=instance.url, headers=crowd.http.headers, timeout=120, trust_env=False,
            limits=httpx2.Limits(max_connections=None),
        ) as client:  # fmt: skip
            calls = []
            while len(calls) < CROWD:
                wanted = {"prompt": PROMPT, "quality": "low"}
                calls += [asyncio.create_task(client.post("/v1/images/generations", json=wanted)) for _ in range(10)]
                while CROWD - (await client.get("/api/credits")).json()["available"] < len(calls):
                    seen.append((unix_sockets(web), threads(web)))
                    await asyncio.sleep(0.05)
            waiting = sum(not call.done() for call in calls)
            seen.append((unix_sockets(web), threads(web)))
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            return waiting

    with contextlib.closing(crowd.http):
        assert asyncio.run(run()) > CROWD / 2
        # Six of the pool, one that listens, the event loop's own pair.
        assert max(sockets for sockets, _ in seen) <= 9
        assert max(number for _, number in seen) <= 20
