"""A whole install with somebody in it: `gesso run`, a fake provider, a person with credits and a key, and the proofs.

Tests of crashes, of whole flows and of the command line stand here. `prove` is the end of each of them: whatever was
killed on the way, the books add up, everything charged can be fetched, and the provider was asked as often as allowed.
"""

import collections
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import signal
import time
from collections.abc import Iterator

import httpx2
import psycopg

from gesso.config import embedded
from tests import instance
from tests.fakes import provider
from tests.instance import until

GRANTED = 100_000
RESCUE_SECONDS = 30  # the contract's: from the death of a worker to the next one at work
PATIENCE = 240  # for whatever a loaded machine may take its time for
ENDED = {"succeeded", "failed", "canceled"}
LIMITS = {"concurrent_free": 40, "concurrent_paid": 40}


def catalogue(directory: pathlib.Path, **limits: int) -> pathlib.Path:
    """Write a catalogue without daily credits, so that what was granted is all there is; returns its path."""
    path = directory / "catalog.toml"
    rows = "".join(f"{name} = {value}\n" for name, value in (LIMITS | limits).items())
    path.write_text(f"[credits]\ndaily = 0\n[limits]\n{rows}")
    return path


def asked(call: dict) -> str:
    """Return the prompt that a person wrote for this call; what the roles of references add stands before it."""
    return call["prompt"].rpartition("\n\n")[2]


@dataclasses.dataclass
class Stand:
    """One install under test. `gesso` is the `gesso run` of the moment: another one after `start_again`."""

    gesso: instance.Instance
    fake: provider.Fake
    key: str
    lives: contextlib.ExitStack

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def ask(self, method: str, path: str, **words: object) -> httpx2.Response:
        """Ask the API once."""
        headers = self.headers | words.pop("headers", {})  # type: ignore[operator]
        return httpx2.request(
            method, self.gesso.url + path, headers=headers, timeout=60, trust_env=False, **words  # type: ignore[arg-type]
        )  # fmt: skip

    def told(self, path: str) -> dict:
        """Return what a GET says, asking again while the web process is away."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.ask("GET", path)
                if answer.status_code == 200:
                    return answer.json()
                assert answer.status_code >= 500, answer.text
            except httpx2.HTTPError:
                pass
            assert time.monotonic() < deadline, f"{path} could not be had"
            time.sleep(0.3)

    def submit(self, prompt: str, **settings: object) -> str:
        """Ask for images; returns the generation's id. Safe to repeat, so it is repeated until there is an answer."""
        body = {"prompt": prompt, "quality": "low", "count": 1, **settings}
        headers = {"Idempotency-Key": hashlib.sha256(json.dumps(body).encode()).hexdigest()}
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.ask("POST", "/api/generations", json=body, headers=headers)
                if answer.status_code == 202:
                    return answer.json()["id"]
                assert answer.status_code >= 500, answer.text
            except httpx2.HTTPError:
                pass
            assert time.monotonic() < deadline, "nothing was accepted"
            time.sleep(0.3)

    def generation(self, number: str) -> dict:
        return self.told(f"/api/generations/{number}")

    def ended(self, *numbers: str, seconds: float = PATIENCE) -> list[dict]:
        """Wait until these generations have ended; returns them."""
        rows: dict[str, dict] = {}
        deadline = time.monotonic() + seconds
        while open_ := [number for number in numbers if number not in rows]:
            for number in open_:
                row = self.generation(number)
                if row["state"] in ENDED:
                    rows[number] = row
            late = [(rows.get(number) or self.generation(number)) for number in open_ if number not in rows]
            assert not late or time.monotonic() < deadline, f"still not ended: {late}"
            time.sleep(0.3 if late else 0)
        return [rows[number] for number in numbers]

    def kinds(self, number: str) -> list[str]:
        """Return the timeline of a generation as words."""
        return [line["kind"] for line in self.generation(number)["events"]]

    def calls(self, prompt: str) -> list[dict]:
        """Return the provider's journal of this prompt."""
        return [call for call in self.fake.images() if asked(call) == prompt]

    def until_called(self, prompt: str, times: int = 1) -> None:
        until(lambda: len(self.calls(prompt)) >= times, PATIENCE, f"{times} calls for {prompt!r}")

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Ask the install's database directly."""
        url = self.gesso.variables.get("DATABASE_URL") or self._embedded()
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def _embedded(self) -> str:
        socket_dir = str(embedded.location(self.gesso.data_dir).socket_dir)
        return psycopg.conninfo.make_conninfo(user=embedded.ROLE, dbname=embedded.DATABASE, host=socket_dir)

    def stored(self, prefix: str) -> list[pathlib.Path]:
        """Return the stored files below a part of the storage."""
        return [path for path in (self.gesso.data_dir / "images" / prefix).rglob("*") if path.is_file()]

    # Violence

    def kill(self, part: str, number: int = signal.SIGKILL) -> int:
        """Kill one part, wait until it is gone, and return its pid; the supervisor starts another."""
        pid = until(lambda: self.gesso.parts().get(part), PATIENCE, part)
        os.kill(pid, number)
        if number == signal.SIGKILL:
            until(lambda: not instance.alive(pid), PATIENCE, f"the end of {part}")
        return pid

    def kill_worker(self) -> None:
        """Kill the worker and let its leases run out at once, where the time that takes is not what is tested."""
        pid = self.kill("worker")
        self.rows(
            "UPDATE generations_generation SET lease_expires_at = now()"
            " WHERE lease_owner LIKE %s AND state IN ('queued', 'running')",
            f"%:{pid}:%",
        )

    def kill_everything(self) -> None:
        """Cut the power: supervisor, web, worker and Postgres at once."""
        pids = [*self.gesso.parts().values()]
        for pid in (self.gesso.process.pid, *pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.gesso.process.wait()
        until(lambda: not any(instance.alive(pid) for pid in pids), PATIENCE, "the end of everything")

    def start_again(self) -> None:
        """Start `gesso run` anew on the same data directory and port."""
        known = {name: self.gesso.variables[name] for name in self.gesso.variables if name in _HANDED_DOWN}
        self.gesso = self.lives.enter_context(instance.running(self.gesso.data_dir, **known))

    def well(self) -> None:
        """Wait until every part is there and well."""
        until(lambda: len(self.gesso.parts()) >= 2 and self.gesso.well(), PATIENCE, "everything to be well")

    # Proof

    def prove(self, *, most_calls: int = 3) -> None:
        """Prove that the install is in order, now that everything in it has ended."""
        self.well()
        assert self.rows("SELECT id, state FROM generations_generation WHERE ended_at IS NULL") == []
        doctor = self.gesso.run("doctor", "--json")
        assert doctor.returncode == 0, doctor.stdout + doctor.stderr
        rows = self.listed()
        self._prove_money(rows)
        self._prove_pictures(rows)
        self._prove_calls(rows, most_calls)

    def listed(self) -> list[dict]:
        """Return every generation there is."""
        rows, cursor = [], ""
        while True:
            page = self.told(f"/api/generations?limit=100&cursor={cursor}")
            rows += page["generations"]
            cursor = page["next_cursor"]
            if not cursor:
                return rows

    def _prove_money(self, rows: list[dict]) -> None:
        for row in rows:
            seen = [one for one in row["outputs"] if one["state"] == "delivered"]
            each = row["price"] // row["count"]
            assert row["charged"] == each * len(seen), row
            assert row["charged"] + row["released"] == row["price"], row
        credits_ = self.told("/api/credits")
        assert credits_["held"] == 0
        assert credits_["available"] + sum(row["charged"] for row in rows) == GRANTED

    def _prove_pictures(self, rows: list[dict]) -> None:
        for row in rows:
            for one in row["outputs"]:
                if one["state"] == "delivered":
                    answer = self.ask("GET", one["image"]["content"])
                    assert answer.status_code == 200
                    assert hashlib.sha256(answer.content).hexdigest() == one["image"]["sha256"]

    def _prove_calls(self, rows: list[dict], most: int) -> None:
        """No call without its committed row, and none too often; what was delivered is what the provider made."""
        wanted: dict[str, int] = collections.Counter()
        for row in rows:
            wanted[row["prompt"]] += row["count"]
        tries = dict(
            self.rows(
                "SELECT generation.prompt, count(*) FROM generations_attempt AS attempt"
                " JOIN generations_output AS output ON output.id = attempt.output_id"
                " JOIN generations_generation AS generation ON generation.id = output.generation_id GROUP BY 1"
            )
        )
        calls = collections.defaultdict(list)
        for call in self.fake.images():
            calls[asked(call)].append(call)
        for prompt, made in calls.items():
            if prompt in wanted:
                assert len(made) <= tries.get(prompt, 0), f"{prompt}: {len(made)} calls, {tries.get(prompt)} tries"
                assert sum(call["accepted"] for call in made) <= most * wanted[prompt], prompt
        for row in rows:
            made_here = {digest for call in calls[row["prompt"]] for digest in call["made"]}
            shown = [one["image"]["sha256"] for one in row["outputs"] if one["state"] == "delivered"]
            assert set(shown) <= made_here, row
            assert len(shown) == len(set(shown)), row


_HANDED_DOWN = {"GESSO_PORT", "GESSO_CATALOG", "OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABASE_URL", "GESSO_SECRET_KEY"}


@contextlib.contextmanager
def standing(data_dir: pathlib.Path, fake: provider.Fake, catalog: pathlib.Path, **variables: str) -> Iterator[Stand]:
    """Have an install with a person, credits and a key for as long as the block lasts."""
    with contextlib.ExitStack() as lives:
        known = {"GESSO_CATALOG": str(catalog), "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fake.url, **variables}
        gesso = lives.enter_context(instance.running(data_dir, **known))
        yield Stand(gesso, fake, _somebody(gesso), lives)


def _somebody(gesso: instance.Instance) -> str:
    """Make a person with credits; returns their key."""
    for words in (
        ("user", "add", "ada@example.com"),
        ("grant", "ada@example.com", str(GRANTED), "--reason", "a test"),
    ):
        done = gesso.run(*words)
        assert done.returncode == 0, done.stderr
    key = gesso.run("key", "create", "ada@example.com")
    assert key.returncode == 0, key.stderr
    return key.stdout.strip()
