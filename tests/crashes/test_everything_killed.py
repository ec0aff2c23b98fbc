"""The power cut, and the database gone: everything comes back by itself, with every answer that had arrived."""

import contextlib
import json
import os
import random
import signal
import threading
import time

import httpx2
import pytest

from tests import stand
from tests.crashes.test_worker_killed import answered_and_waiting
from tests.instance import until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]


def test_the_power_is_cut_with_work_at_every_step(studio):
    spooled = answered_and_waiting(studio, "Answered before the power cut")
    delivered = "Delivered in part [fake: hang skip=1 times=1]"
    studio.fake.control(moderation_latency=0)
    partly = studio.submit(delivered, count=2)
    until(lambda: "delivered" in studio.kinds(partly), stand.PATIENCE, "the first of two")
    working = studio.submit("At the provider [fake: hang times=1]", count=2)
    studio.until_called("At the provider [fake: hang times=1]", 2)
    os.kill(studio.gesso.parts()["worker"], signal.SIGSTOP)  # so that the last ones are only queued
    queued = [studio.submit(f"Queued at the power cut {n}") for n in range(3)]
    studio.kill_everything()

    studio.fake.control(moderation_latency=0, latency=0)
    studio.start_again()
    begun = time.monotonic()
    numbers = [spooled, partly, working, *queued]
    rows = studio.ended(*numbers)
    assert time.monotonic() - begun <= 2 * stand.RESCUE_SECONDS
    assert [row["state"] for row in rows] == ["succeeded"] * 6
    assert [row["charged"] for row in rows] == [1, 2, 2, 1, 1, 1]
    assert len(studio.calls("Answered before the power cut")) == 1
    assert len(studio.calls(delivered)) == 3  # what was delivered is not asked for again
    studio.prove()


def test_the_power_is_cut_again_and_again(studio):
    studio.fake.control(latency=1)
    numbers = []
    for life in range(3):
        numbers += [studio.submit(f"Power cut {life}, picture {n}", count=2) for n in range(4)]
        time.sleep(0.4 * life)
        studio.kill_everything()
        studio.start_again()
    rows = studio.ended(*numbers)
    assert {row["state"] for row in rows} == {"succeeded"}
    studio.prove()


class Listener:
    """One client of the event stream: remembers the state of every generation, and comes back when it is cut off."""

    def __init__(self, studio) -> None:
        self.states: dict[str, str] = {}
        self.connected = threading.Event()
        self.cuts = 0
        self._studio = studio
        self._last = ""
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.stopped.is_set():
            try:
                self._listen()
            except httpx2.ConnectError:  # it is not back yet
                time.sleep(0.1)
            except httpx2.HTTPError:
                self.cuts += 1

    def _listen(self) -> None:
        headers = self._studio.headers | ({"Last-Event-ID": self._last} if self._last else {})
        patience = httpx2.Timeout(60)  # longer than the pause between signs of life
        address = f"{self._studio.gesso.url}/api/events"
        with httpx2.stream("GET", address, headers=headers, timeout=patience, trust_env=False) as answer:
            name = ""
            for line in answer.iter_lines():
                self.connected.set()
                word, _, rest = line.partition(": ")
                if word == "id":
                    self._last = rest
                elif word == "event":
                    name = rest
                elif word == "data" and name == "generation":
                    said = json.loads(rest)
                    self.states[said["id"]] = said["state"]
                if self.stopped.is_set():
                    return


@contextlib.contextmanager
def listening(studio, how_many: int):
    """Have so many clients of the stream, all connected, for as long as the block lasts."""
    listeners = [Listener(studio) for _ in range(how_many)]
    try:
        for listener in listeners:
            assert listener.connected.wait(stand.PATIENCE)
        yield listeners
    finally:
        for listener in listeners:
            listener.stopped.set()
        studio.kill("web")  # ends every stream
        for listener in listeners:
            listener.thread.join(60)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "restarted"])
def test_postgres_goes_in_mid_generation(studio, number):
    studio.fake.control(latency=3)
    prompts = [f"Postgres goes by {number.name}, picture {n}" for n in range(4)]
    numbers = [studio.submit(prompt, count=2) for prompt in prompts]
    with listening(studio, 1) as (listener,):
        for prompt in prompts:
            studio.until_called(prompt, 2)
        old = studio.kill("postgres", number)
        until(lambda: studio.gesso.parts().get("postgres") not in {None, old}, stand.PATIENCE, "another Postgres")
        for row in studio.ended(*numbers):
            assert (row["state"], row["charged"]) == ("succeeded", 2)
            assert len(studio.calls(row["prompt"])) <= 4
        # The stream outlives the connection that feeds it: what comes later is heard.
        later = studio.submit(f"Asked after {number.name}")
        until(lambda: listener.states.get(later) == "succeeded", stand.PATIENCE, "the end, heard")
    studio.prove()


def test_postgres_goes_at_the_moment_of_the_answers(studio):
    """Some of these lose the database between the spool and the row, some between the answer and the spool."""
    studio.fake.control(latency=2)
    prompts = [f"Answered into the void {n}" for n in range(8)]
    numbers = [studio.submit(prompt) for prompt in prompts]
    for prompt in prompts:
        studio.until_called(prompt)
    until(lambda: any(call["answered"] for call in studio.calls(prompts[0])), stand.PATIENCE, "the first answer")
    studio.kill("postgres")
    for row in studio.ended(*numbers):
        assert (row["state"], row["charged"]) == ("succeeded", 1)
        assert len(studio.calls(row["prompt"])) <= 2
    studio.prove()


def test_the_web_process_is_killed_under_twenty_streams(studio):
    studio.fake.control(latency=2)
    with listening(studio, 20) as listeners:
        numbers = [studio.submit(f"Watched by twenty {n}") for n in range(3)]
        studio.until_called("Watched by twenty 2")
        worker = studio.gesso.parts()["worker"]
        studio.kill("web")
        rows = studio.ended(*numbers)
        assert [row["state"] for row in rows] == ["succeeded"] * 3
        assert [len(studio.calls(row["prompt"])) for row in rows] == [1, 1, 1]  # the work never noticed
        assert studio.gesso.parts()["worker"] == worker
        everything = dict.fromkeys(numbers, "succeeded")
        for listener in listeners:
            until(lambda hears=listener: hears.states.items() >= everything.items(), stand.PATIENCE, "the end, heard")
            assert listener.cuts == 1
    studio.prove()


def test_what_was_acknowledged_exists_once_however_often_the_web_process_dies(studio):
    """Five clients ask, and ask again with the same key when they get no answer; the web process dies under them."""
    before = {row["id"] for row in studio.listed()}
    acknowledged: dict[str, str] = {}
    chance = random.Random(11)

    def client(number: int) -> None:
        for n in range(12):
            prompt = f"Asked by client {number}, time {n}"
            acknowledged[prompt] = studio.submit(prompt)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(5)]
    for one in clients:
        one.start()
    deaths = 0
    while any(one.is_alive() for one in clients):
        time.sleep(chance.uniform(0.5, 1.5))
        studio.kill("web")
        deaths += 1
        until(studio.gesso.well, stand.PATIENCE, "another web process")  # else nobody would ever be answered
    assert deaths
    rows = [row for row in studio.listed() if row["id"] not in before]
    assert sorted(row["prompt"] for row in rows) == sorted(acknowledged)
    assert {row["prompt"]: row["id"] for row in rows} == acknowledged
    studio.ended(*acknowledged.values())
    studio.prove()
