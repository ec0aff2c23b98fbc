"""`gesso run`: Postgres, the web process and the worker, kept alive together and stopped together.

Order up: database, migrations, then web and worker at once. Order down: web and worker together, Postgres last. A part
that dies is started again within a second; whoever kills this process takes every part along.
"""

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from gesso.config import children, embedded, probe, web
from gesso.config.refusal import Refused
from gesso.core import env

GRACE_SECONDS = 14  # for web and worker after SIGTERM; the worker takes 12 at most
RESTART_SECONDS = 0.1
SHORT_LIFE_SECONDS = 2  # who dies younger than this is started again ever more slowly
LONGEST_PAUSE_SECONDS = 5.0
RECOVERY_SECONDS = 5  # of silence before a recovery is mentioned
POSTGRES_SECONDS = 2  # for each way of asking it to stop
LONG_START_SECONDS = 20
HEALTH_SECONDS = 5
MISSES = 3
PORT_PATIENCE_SECONDS = 3  # an instance that was just killed frees its port within a second


@dataclasses.dataclass(eq=False)
class Part:
    """One child process that has to be there. `ended` is set when its process is gone and reaped."""

    name: str
    process: subprocess.Popen[bytes]
    started: float = dataclasses.field(default_factory=time.monotonic)
    ended: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal unless the process is gone."""
        if self.process.poll() is None:
            self.process.send_signal(number)


def run(environment: env.Environment) -> None:
    """Run Gesso until SIGTERM or SIGINT. Raises Refused, embedded.AlreadyRunning, embedded.Unusable."""
    asyncio.run(Supervisor(environment).run())


class Supervisor:
    """The life of one `gesso run`."""

    def __init__(self, environment: env.Environment) -> None:
        self._environment = environment
        self._place = embedded.location(environment.data_dir) if environment.embedded else None
        self._parts: dict[str, Part] = {}
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._database_up = asyncio.Event()
        self._listener: socket.socket | None = None

    async def run(self) -> None:
        """Start everything, keep it alive, and stop it in order when a signal comes."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        with contextlib.ExitStack() as owned:
            if self._place:
                owned.enter_context(embedded.lock(self._place))
            self._listener = owned.enter_context(await self._listen())
            life = asyncio.create_task(self._live())
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait((life, stopping), return_when=asyncio.FIRST_COMPLETED)
                if life.done():
                    life.result()  # raises why
            finally:
                self._stopping.set()
                life.cancel()
                stopping.cancel()
                self._listener.close()  # nobody new is let in
                await self._take_down()
                await asyncio.gather(life, stopping, return_exceptions=True)

    async def _listen(self) -> socket.socket:
        address = self._environment.host, self._environment.port
        deadline = time.monotonic() + PORT_PATIENCE_SECONDS
        while True:
            try:
                return web.listen(*address)
            except OSError as problem:
                if time.monotonic() > deadline:
                    where = f"{address[0]}:{address[1]}"
                    raise Refused(
                        f"Gesso can't listen at {where}: {problem.strerror}; GESSO_PORT chooses another port."
                    ) from None
            await asyncio.sleep(0.1)

    # Up

    async def _live(self) -> None:
        if self._place:
            await self._start_postgres(self._place)
        self._database_up.set()
        owner_link = await self._prepare()
        assert self._listener
        descriptor = self._listener.fileno()
        await asyncio.gather(
            *([self._keep_postgres(self._place)] if self._place else []),
            self._keep("web", "--socket", str(descriptor), inherit=(descriptor,)),
            self._keep("worker"),
            self._watch(self._listener, owner_link),
        )

    async def _start_postgres(self, place: embedded.Location) -> None:
        part = self._parts["postgres"] = Part("postgres", embedded.start(place))
        waited = 0.0
        while not embedded.is_ready(place, part.process):
            await asyncio.sleep(embedded.POLL_SECONDS)
            if waited < RECOVERY_SECONDS <= (waited := time.monotonic() - part.started):
                say("Postgres is recovering from an unclean stop; this can take a while.")

    async def _prepare(self) -> str:
        """Run the migrations in a process that ends; return the owner link, or nothing once there is an owner."""
        part = self._spawn("migrate", "--owner-link", stdout=subprocess.PIPE)
        await part.ended.wait()
        del self._parts[part.name]
        assert part.process.stdout
        with part.process.stdout as pipe:
            link = pipe.read().decode().strip()  # short: it fits the pipe, so nobody waited for us to read
        if part.process.returncode:
            raise Refused("The database could not be brought up to date; the reason is above.")
        return link

    def _spawn(self, name: str, *words: str, inherit: Sequence[int] = (), stdout: int | None = None) -> Part:
        # -P: nothing in the current directory is mistaken for a module of ours.
        arguments = [sys.executable, "-P", "-m", "gesso", name, *words]
        # SIGKILL: when we are killed, Postgres goes too, and without it there is nothing to end gracefully.
        process = children.spawn(arguments, dying_wish=signal.SIGKILL, inherit=inherit, stdout=stdout)
        part = self._parts[name] = Part(name, process)
        return part

    # While it runs

    async def _keep(self, name: str, *words: str, inherit: Sequence[int] = ()) -> None:
        pause = RESTART_SECONDS
        while True:
            await self._database_up.wait()
            part = self._spawn(name, *words, inherit=inherit)
            await part.ended.wait()
            pause = _next_pause(pause, part)
            await asyncio.sleep(pause)

    async def _keep_postgres(self, place: embedded.Location) -> None:
        pause = RESTART_SECONDS
        while True:
            part = self._parts["postgres"]
            await part.ended.wait()
            self._database_up.clear()
            pause = _next_pause(pause, part)
            await asyncio.sleep(pause)
            try:
                await self._start_postgres(place)
            except embedded.Unusable as problem:
                say(str(problem))
                continue
            self._database_up.set()
            # Its queue listener has died with the old connection; a new worker hears again.
            if worker := self._parts.get("worker"):
                worker.signal(signal.SIGTERM)

    async def _watch(self, listener: socket.socket, owner_link: str) -> None:
        """Say when everything is ready; then replace a web process that hangs or a worker that has stopped sweeping."""
        asked = time.monotonic()
        while unwell := await probe.parts(listener):
            await asyncio.sleep(0.1)
            if time.monotonic() - asked > LONG_START_SECONDS:
                asked = time.monotonic()
                say("Not ready yet: " + ", ".join(f"{name} {word}" for name, word in unwell.items()) + ".")
        lines = [f"Gesso is ready at {self._environment.base_url}/", owner_link]
        print("\n".join(filter(None, lines)), flush=True)  # noqa: T201 (the two lines of contracts.md)
        silent = stalled = 0
        while True:
            await asyncio.sleep(HEALTH_SECONDS)
            silent = 0 if await probe.alive(listener) else silent + 1
            stalled = stalled + 1 if (await probe.parts(listener)).get("recovery") == "stalled" else 0
            if silent >= MISSES:
                silent = 0
                await self._replace(self._parts["web"])
            if stalled >= MISSES:
                stalled = 0
                await self._replace(self._parts["worker"])

    async def _replace(self, part: Part) -> None:
        say(f"gesso {part.name} does not respond; replacing it.")
        part.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await part.ended.wait()
        part.signal(signal.SIGKILL)

    def _reap(self) -> None:
        """Notice who ended, and take along what they left: a part's own children are in its process group."""
        for part in self._parts.values():
            if not part.ended.is_set() and part.process.poll() is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(part.process.pid, signal.SIGKILL)
                part.ended.set()
        if os.getpid() == 1:
            _reap_orphans({part.process.pid for part in self._parts.values()})

    # Down

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def _take_down(self) -> None:
        postgres = self._parts.pop("postgres", None)
        for part in self._parts.values():
            part.signal(signal.SIGTERM)
        gone = asyncio.gather(*(part.ended.wait() for part in self._parts.values()))
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait((gone, hurry), timeout=GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for part in self._parts.values():
            part.signal(signal.SIGKILL)
        await gone
        if postgres:
            self._parts["postgres"] = postgres
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                postgres.signal(number)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POSTGRES_SECONDS):
                        await postgres.ended.wait()
                        return


def say(sentence: str) -> None:
    """Tell the operator, on standard error."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 (a sentence for a person, not a log line)


def _next_pause(pause: float, part: Part) -> float:
    """Return how long to wait before `part` is started again, and say that it ended."""
    status = part.process.returncode
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    say(f"gesso {part.name} ended ({how}); starting it again.")
    if time.monotonic() - part.started >= SHORT_LIFE_SECONDS:
        return RESTART_SECONDS
    return min(pause * 2, LONGEST_PAUSE_SECONDS)


def _reap_orphans(ours: set[int]) -> None:
    """As pid 1 (a container), collect processes that others left behind; our own parts are collected by name."""
    while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if found.si_pid in ours:
            return
        os.waitpid(found.si_pid, os.WNOHANG)
