"""The whole path by key, through a real install: ask, hear, fetch, pay; change one's mind; ask again; refer."""

import contextlib
import hashlib
import json
import random
import threading
import time

import httpx2
import pytest

from tests import stand, world
from tests.instance import until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


@contextlib.contextmanager
def hearing(studio):
    """Collect the events of the workspace as (name, data), in order, while the block lasts."""
    heard: list[tuple[str, dict]] = []
    ready = threading.Event()

    def listen() -> None:
        address, patience = f"{studio.gesso.url}/api/events", httpx2.Timeout(60)
        with httpx2.stream("GET", address, headers=studio.headers, timeout=patience, trust_env=False) as answer:
            name = ""
            for line in answer.iter_lines():
                word, _, rest = line.partition(": ")
                if word == "id":
                    ready.set()
                elif word == "event":
                    name = rest
                elif word == "data":
                    heard.append((name, json.loads(rest)))
                if name == "balance" and heard and closing.is_set():
                    return

    closing = threading.Event()
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert ready.wait(stand.PATIENCE)
    try:
        yield heard
    finally:
        closing.set()
        studio.ask("POST", f"/api/generations/{studio.submit('The last word')}/cancel")
        thread.join(60)


def test_from_the_question_to_the_bytes_and_the_bill(studio):
    before = studio.told("/api/credits")["available"]
    studio.fake.control(latency=3)
    with hearing(studio) as heard:
        number = studio.submit("From question to bytes", count=2, quality="medium", aspect_ratio="4:5")
        held = studio.told("/api/credits")
        assert (held["available"], held["held"]) == (before - 8, 8)
        (row,) = studio.ended(number)
        until(lambda: ("generation", "succeeded") in [(n, d.get("state")) for n, d in heard], 60, "the end, heard")
    states = [data["state"] for name, data in heard if name == "generation" and data["id"] == number]
    assert states[0] in {"queued", "running"}
    assert states[-1] == "succeeded"
    assert sorted(states, key=["queued", "running", "succeeded"].index) == states
    balances = [data for name, data in heard if name == "balance"]
    assert {"available": before - 8, "held": 0, "debt": 0} in balances
    assert (row["state"], row["price"], row["charged"], row["released"]) == ("succeeded", 8, 8, 0)
    made = {call["made"][0] for call in studio.calls("From question to bytes")}
    for one in row["outputs"]:
        answer = studio.ask("GET", one["image"]["content"])
        assert hashlib.sha256(answer.content).hexdigest() in made  # the provider's bytes, untouched
        assert studio.ask("GET", f"{one['image']['content']}?variant=preview").headers["content-type"] == "image/webp"
    entries = [line for line in studio.told("/api/credits/entries")["entries"] if line["generation_id"] == number]
    assert {line["kind"] for line in entries} == {"hold", "capture"}
    studio.prove()


def test_twenty_cancels_race_their_answers(studio):
    """However each race ends, it is one of two endings: delivered and charged, or canceled and given back."""
    chance = random.Random(17)
    studio.fake.control(latency=0.4)
    endings = []
    for n in range(20):
        number = studio.submit(f"Canceled or not {n}")
        studio.until_called(f"Canceled or not {n}")
        time.sleep(chance.uniform(0.1, 1.5))
        answer = studio.ask("POST", f"/api/generations/{number}/cancel")
        assert answer.status_code in {202, 409}, answer.text
        (row,) = studio.ended(number)
        if answer.status_code == 409:
            assert (row["state"], row["charged"]) == ("succeeded", 1)
        else:
            assert row["state"] == "canceled"
            delivered = row["outputs"][0]["state"] == "delivered"
            assert (row["charged"], row["released"]) == ((1, 0) if delivered else (0, 1))
        endings.append(row)
    time.sleep(2)  # late answers find that they are not wanted
    assert studio.ended(*[row["id"] for row in endings]) == [studio.generation(row["id"]) for row in endings]
    assert {row["state"] for row in endings} == {"canceled", "succeeded"}, "the races were not races"
    studio.prove()


def test_a_retry_asks_for_what_is_missing(studio):
    prompt = "Two of four at first [fake: fail-outputs=2]"
    number = studio.submit(prompt, count=4)
    (first,) = studio.ended(number)
    assert (first["state"], first["charged"], first["released"]) == ("succeeded", 2, 2)
    again = studio.ask("POST", f"/api/generations/{number}/retry", json={"only_missing": True}).json()
    (second,) = studio.ended(again["id"])
    assert (second["state"], second["count"], second["charged"]) == ("succeeded", 2, 2)
    assert (second["parent_id"], second["prompt"]) == (number, prompt)
    assert len(studio.calls(prompt)) == 6
    studio.prove()


def test_an_edit_sends_its_references_and_remembers_them(studio):
    sent = world.picture(640, 480, "#c04020", "JPEG")
    uploaded = studio.ask("POST", "/api/images", files={"file": ("beach.jpg", sent, "image/jpeg")}).json()
    first = studio.submit("Seen from the dunes", references=[{"image_id": uploaded["id"], "role": "subject"}])
    (row,) = studio.ended(first)
    assert (row["state"], row["failure_code"]) == ("succeeded", None)
    made = row["outputs"][0]["image"]["id"]
    second = studio.submit(
        "The same at night", references=[{"image_id": made, "role": "subject"}, {"image_id": uploaded["id"], "role": "style"}]
    )  # fmt: skip
    (edited,) = studio.ended(second)
    assert (edited["state"], edited["failure_code"]) == ("succeeded", None)
    assert [one["image_id"] for one in edited["references"]] == [made, uploaded["id"]]
    (call,) = studio.calls("The same at night")
    assert call["path"].endswith("/images/edits")
    clean = [
        hashlib.sha256(studio.ask("GET", f"/api/images/{one}/content").content).hexdigest()
        for one in (made, uploaded["id"])
    ]
    assert [one["sha256"] for one in call["references"]] == clean
    studio.prove()
