"""The real stack for a benchmark: `gesso run` in a new data directory, the fake provider beside it, and their costs.

CPU is read from /proc (user + system time of a process and all its threads; finished children apart), memory as
resident set size. Everything listens on loopback; everything started here is stopped here.
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 60
IMAGE_BYTES = str(1_560_000)  # a PNG such as peers were measured with


@dataclasses.dataclass(frozen=True)
class Stack:
    """A running instance: where it is, its environment, the fake provider's address, seconds to start."""

    url: str
    data_dir: pathlib.Path
    environment: dict[str, str]
    provider_url: str
    supervisor: int
    start_seconds: float

    def gesso(self, *words: str) -> str:
        """Run a command of the `gesso` command line against this instance and return what it printed."""
        done = subprocess.run(
            [ROOT / ".venv/bin/gesso", *words], env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def process(self, name: str) -> int:
        """Return the pid of `gesso web` or `gesso worker`."""
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if name in words and parent == self.supervisor:
                    return int(entry.name)
        raise RuntimeError(f"gesso {name} is not running")


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Return (own, finished children's) CPU seconds of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, child_user, child_system = (int(field) / TICKS for field in fields[11:15])
    return user + system, child_user + child_system


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """Return the resident memory of a process in MB, or its highest so far."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name} for {pid}")


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(*, provider: bool = True) -> Iterator[Stack]:
    """Start the fake provider and `gesso run` in a new data directory; yields when ready, stops both at the end."""
    with contextlib.ExitStack() as ending:
        directory = pathlib.Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="gesso-bench-")))
        directory.chmod(0o711)  # as root, Postgres runs as a user of its own who must pass through
        provider_port, port = free_port(), free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GESSO_", "OPENAI_"))}
        environment |= {
            "GESSO_DATA_DIR": str(directory / "data"),
            "GESSO_PORT": str(port),
            "GESSO_CATALOG": str(ROOT / "benchmarks/catalog.toml"),
        }
        if provider:
            command = [
                sys.executable, "-m", "tests.fakes.provider", "--port", str(provider_port), "--image-bytes", IMAGE_BYTES
            ]  # fmt: skip
            fake = subprocess.Popen(command, cwd=ROOT)
            ending.callback(_stop, fake)
            environment |= {
                "OPENAI_API_KEY": "sk-benchmark",
                "OPENAI_BASE_URL": f"http://127.0.0.1:{provider_port}/v1",
            }
        url = f"http://127.0.0.1:{port}"
        begun = time.monotonic()
        log = ending.enter_context((directory / "gesso.log").open("w"))
        gesso = subprocess.Popen([ROOT / ".venv/bin/gesso", "run"], env=environment, stdout=log, stderr=log)
        ending.callback(_stop, gesso)
        _wait_ready(f"{url}/readyz", gesso, directory / "gesso.log")
        seconds = time.monotonic() - begun
        yield Stack(url, directory / "data", environment, f"http://127.0.0.1:{provider_port}", gesso.pid, seconds)


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"gesso run did not become ready:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(25)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
