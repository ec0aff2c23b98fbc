"""What is measured, one function each. Times in seconds or milliseconds as named; CPU as the kernel counts it."""

import asyncio
import dataclasses
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from benchmarks import people, rows, stack, wire
from tests import instance

BODY = json.dumps({"prompt": "A pear on a table", "quality": "low", "count": 1}).encode()
PATIENCE = 180  # seconds until whatever is asked for must have ended


@dataclasses.dataclass
class Done:
    """How a load ended: ids and times of what was asked, each with its overhead over the provider's latency."""

    asked: int = 0
    completed: int = 0
    overhead: list[float] = dataclasses.field(default_factory=list)
    submit_ms: list[float] = dataclasses.field(default_factory=list)
    web_ms: float = 0
    worker_ms: float = 0
    rendition_ms: float = 0
    mb_each: float = 0


async def closed_loop(here: stack.Stack, who: people.Person, *, total: int, together: int) -> Done:
    """`total` generations, `together` at once, each after the one before has ended; CPU of web and worker for each."""
    begun = _cpu(here)
    done = Done(asked=total)
    sent: dict[str, float] = {}
    with rows.connected(here) as database:

        async def lane(count: int) -> None:
            line = wire.Connection(here.url)
            for _ in range(count):
                number = await _submit(line, who, done, sent)
                while number not in await asyncio.to_thread(rows.ended, database):  # noqa: ASYNC110 (another process)
                    await asyncio.sleep(0.01)
            line.close()

        await asyncio.gather(*(lane(total // together) for _ in range(together)))
        cost, (_, unrendered) = _cpu(here), rows.counts(database)
        _overheads(done, rows.ended(database), sent, latency=0)
        await _until_quiet(database)
    after = _cpu(here)
    # What the worker itself spends on a rendition is seen after the last generation, when nothing else is left to do.
    rendition = (after["worker"] - cost["worker"]) / unrendered if unrendered else 0.0
    making = cost["worker"] - begun["worker"] - rendition * (total - unrendered)
    done.web_ms = (cost["web"] - begun["web"]) * 1000 / total
    done.worker_ms = making * 1000 / total
    done.rendition_ms = rendition * 1000 + (after["children"] - begun["children"]) * 1000 / total
    return done


async def burst(here: stack.Stack, who: people.Person, *, total: int, latency: float) -> Done:
    """`total` generations at once, and while they are in hand twenty more submits to time."""
    idle = stack.resident_mb(here.process("web")) + stack.resident_mb(here.process("worker"))
    done = Done(asked=total)
    sent: dict[str, float] = {}
    with rows.connected(here) as database:
        lines = [wire.Connection(here.url) for _ in range(16)]
        numbers = iter(range(total))

        async def lane(line: wire.Connection) -> None:
            for _ in numbers:
                await _submit(line, who, done, sent)

        await asyncio.gather(*(lane(line) for line in lines))
        done.submit_ms.clear()
        extra: dict[str, float] = {}
        for _ in range(40):
            await _submit(lines[0], who, done, extra)
            await asyncio.sleep(0.05)
        await _until_ended(database, {*sent, *extra})
        peak = sum(stack.resident_mb(here.process(name), peak=True) for name in ("web", "worker"))
        _overheads(done, rows.ended(database), sent, latency=latency)
        done.mb_each = (peak - idle) / total
        await _until_quiet(database)
    return done


async def open_loop(here: stack.Stack, who: people.Person, *, rate: int, seconds: int, latency: float) -> Done:
    """`rate` submits a second for `seconds`, whether or not earlier ones have been answered."""
    done = Done(asked=rate * seconds)
    sent: dict[str, float] = {}
    with rows.connected(here) as database:
        free = [wire.Connection(here.url) for _ in range(64)]
        tasks = []

        async def one() -> None:
            line = free.pop() if free else wire.Connection(here.url)
            try:
                await _submit(line, who, done, sent)
            finally:
                free.append(line)

        begun = time.monotonic()
        for number in range(done.asked):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(one()))
        await asyncio.gather(*tasks)
        await _until_ended(database, set(sent))
        _overheads(done, rows.ended(database), sent, latency=latency)
        await _until_quiet(database)
    return done


async def form_submits(here: stack.Stack, who: people.Person, *, total: int) -> list[float]:
    """Milliseconds until the studio's form is answered, one after the other, as the page sends it."""
    line, times = wire.Connection(here.url), []
    for _ in range(total):
        form = urllib.parse.urlencode({
            "csrfmiddlewaretoken": who.form_token, "id": str(uuid.uuid4()), "prompt": "A pear on a table",
            "aspect_ratio": "1:1", "quality": "low", "count": "1",
        }).encode()  # fmt: skip
        headers = {
            "cookie": who.cookie, "hx-request": "true", "origin": here.url,
            "content-type": "application/x-www-form-urlencoded",
        }  # fmt: skip
        begun = time.perf_counter()
        status, answer = await line.ask("POST", "/studio", headers, form)
        times.append((time.perf_counter() - begun) * 1000)
        assert status == 200, (status, answer[:400])
        await asyncio.sleep(0.05)
    line.close()
    with rows.connected(here) as database:
        await _until_quiet(database)
    return times


@dataclasses.dataclass
class Rates:
    """Requests answered a second, by one web process on this machine's cores."""

    studio: float
    studio_with_streams: float
    trivial: float


async def throughput(here: stack.Stack, who: people.Person) -> Rates:
    """The studio page of 24 cards, alone and with 300 event streams open, and the view that does nothing."""
    session = {"cookie": who.cookie}
    studio = await _rate(here, "/studio", session, seconds=5, together=4)
    streams = [wire.Connection(here.url) for _ in range(300)]
    for stream in streams:
        await (await stream.send("GET", "/events", session)).readuntil(b"\r\n\r\n")
    crowded = await _rate(here, "/studio", session, seconds=5, together=4)
    for stream in streams:
        stream.close()
    return Rates(studio, crowded, await _rate(here, "/livez", {}, seconds=5, together=16))


async def _rate(here: stack.Stack, path: str, headers: dict[str, str], *, seconds: float, together: int) -> float:
    answered = 0
    until = time.monotonic() + seconds

    async def lane() -> None:
        nonlocal answered
        line = wire.Connection(here.url)
        while time.monotonic() < until:
            status, _ = await line.ask("GET", path, headers)
            assert status == 200, (path, status)
            answered += 1
        line.close()

    await _warm(here, path, headers)
    begun = time.monotonic()
    until = begun + seconds
    await asyncio.gather(*(lane() for _ in range(together)))
    return answered / (time.monotonic() - begun)


async def _warm(here: stack.Stack, path: str, headers: dict[str, str]) -> None:
    """Ask once, so that templates and connections are there."""
    line = wire.Connection(here.url)
    await line.ask("GET", path, headers)
    line.close()


async def waiting_calls(here: stack.Stack, who: people.Person, *, total: int) -> tuple[int, int]:
    """`total` calls of /v1/images/generations at once: how many got their image, and the most database connections."""
    body = json.dumps({"prompt": "A pear on a table", "quality": "low"}).encode()
    lines = [wire.Connection(here.url) for _ in range(total)]
    most = 0
    with rows.connected(here) as database:

        async def one(line: wire.Connection) -> int:
            return (await line.ask("POST", "/v1/images/generations", who.bearer, body))[0]

        tasks = [asyncio.create_task(one(line)) for line in lines]
        pending = set(tasks)
        while pending:
            _, pending = await asyncio.wait(pending, timeout=0.25)
            most = max(most, await asyncio.to_thread(rows.connections, database, "gesso web"))
        await _until_quiet(database)
    for line in lines:
        line.close()
    return sum(task.result() == 200 for task in tasks), most


def queries(here: stack.Stack) -> dict[str, int]:
    """Database queries of each request, counted by Django in a process of its own on the same database."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.queries"], env=here.environment, cwd=stack.ROOT, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counted: dict[str, int] = json.loads(done.stdout)
    return counted


def control(here: stack.Stack, **settings: object) -> None:
    """Tell the fake provider how to behave from now on."""
    request = urllib.request.Request(f"{here.provider_url}/_control", json.dumps(settings).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


async def _submit(line: wire.Connection, who: people.Person, done: Done, sent: dict[str, float]) -> str:
    at, begun = time.time(), time.perf_counter()
    status, answer = await line.ask("POST", "/api/generations", who.bearer, BODY)
    done.submit_ms.append((time.perf_counter() - begun) * 1000)
    assert status == 202, (status, answer[:400])
    number = str(json.loads(answer)["id"])
    sent[number] = at
    return number


def _overheads(done: Done, ended: dict[str, tuple[str, float]], sent: dict[str, float], *, latency: float) -> None:
    for number, at in sent.items():
        state, end = ended[number]
        done.completed += state == "succeeded"
        done.overhead.append(end - at - latency)


async def _until_ended(database: psycopg.Connection[Any], numbers: set[str]) -> None:
    await _until(lambda: asyncio.to_thread(lambda: numbers <= rows.ended(database).keys()))


async def _until_quiet(database: psycopg.Connection[Any]) -> None:
    await _until(lambda: asyncio.to_thread(lambda: rows.counts(database) == (0, 0)))


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE} s")
        await asyncio.sleep(0.2)


def _cpu(here: stack.Stack) -> dict[str, float]:
    """Return CPU seconds so far: of web, of worker, and of the worker's children (living and gone)."""
    web, worker = here.process("web"), here.process("worker")
    own, gone = stack.cpu_seconds(worker)
    living = sum(sum(stack.cpu_seconds(child)) for child in instance.children(worker))
    return {"web": stack.cpu_seconds(web)[0], "worker": own, "children": gone + living}
