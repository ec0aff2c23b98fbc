"""A whole Gesso as people run it: `gesso run` in a process of its own, on a port and a data directory of its own."""

import contextlib
import dataclasses
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import httpx2

COMMAND = [sys.executable, "-P", "-m", "gesso"]


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def environment(data_dir: pathlib.Path, **more: str) -> dict[str, str]:
    """Return the environment of a fresh machine, plus the data directory and what is asked for."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    # It is about noon there, so that no day ends while a test runs. (The signs of Etc are the wrong way round.)
    noon = f"Etc/GMT{time.gmtime().tm_hour - 12:+d}"
    return {**kept, "GESSO_DATA_DIR": str(data_dir), "GESSO_TIMEZONE": noon, **more}


def until(condition, seconds: float = 15, what: str = "the condition"):
    """Return the first true value of `condition()`; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclasses.dataclass
class Instance:
    """One running `gesso run`. `said` collects the lines of its standard output, `complained` of standard error."""

    process: subprocess.Popen
    data_dir: pathlib.Path
    port: int
    variables: dict[str, str]
    said: list[str] = dataclasses.field(default_factory=list)
    complained: list[str] = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, timeout=10, trust_env=False)

    def well(self) -> bool:
        """Whether every part is ready now."""
        try:
            return self.get("/readyz").status_code == 200
        except httpx2.HTTPError:
            return False

    def parts(self) -> dict[str, int]:
        """Return the pids of the living parts by name: web, worker, postgres."""
        found = {}
        for pid in children(self.process.pid):
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if "gesso" in words:
                    found[words[words.index("gesso") + 1]] = pid
                elif words[0].endswith("/postgres"):
                    found["postgres"] = pid
        return {name: pid for name, pid in found.items() if alive(pid)}

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """Run another command of ours beside it."""
        return subprocess.run(
            [*COMMAND, *words], env=self.variables, capture_output=True, text=True, timeout=60, check=False
        )

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Stop it and return its exit status; fails when it takes longer than it may."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def children(parent: int) -> list[int]:
    """Return the pids of a process's children, zombies too."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry.name))
    return found


@contextlib.contextmanager
def running(data_dir: pathlib.Path, *, wait: bool = True, prefix: Sequence[str] = (), **variables: str):
    """Have an instance for as long as the block lasts; ready when the block begins, gone when it ends.

    `prefix` is a command that the instance is run by, such as one that changes the user.
    """
    port = int(variables.pop("GESSO_PORT", 0)) or free_port()
    known = environment(data_dir, GESSO_PORT=str(port), **variables)
    process = subprocess.Popen(
        [*prefix, *COMMAND, "run"], env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    )
    instance = Instance(process, data_dir, port, known)
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    readers = [
        threading.Thread(target=_collect, args=(process.stdout, instance.said, heard), daemon=True),
        threading.Thread(target=_collect, args=(process.stderr, instance.complained, None), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        if wait:
            try:
                heard.get(timeout=60)
            except queue.Empty:
                raise AssertionError("not ready within 60 s: " + "\n".join(instance.complained)) from None
        yield instance
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            instance.stop()
        if process.poll() is None:
            process.kill()
            process.wait()
        for reader in readers:
            reader.join(20)
        process.stdout.close()
        process.stderr.close()


def _collect(pipe, lines: list[str], heard: queue.SimpleQueue | None) -> None:
    for line in pipe:
        lines.append(line.rstrip("\n"))
        if heard is not None:
            heard.put(line)
