"""A fake OpenAI-compatible provider: `python -m tests.fakes.provider --port 0`, or `with provider.running() as fake`.

It answers as OpenAI's Images and Moderations endpoints do, refuses what they refuse, misbehaves when told to, and keeps
a journal of every call. What can be told is in `provider_faults`; pictures are in `provider_pictures`.

    POST   /v1/images/generations, /v1/images/edits, /v1/moderations        GET /v1/models
    POST   /_control   {"latency": 2, "faults": ["429 retry=1 times=3"], ...}    GET /_control     DELETE: as it began
    GET    /_journal   every call: at, path, prompt, model, size, quality, references, headers, outcome, answered
    DELETE /_journal   empties it, and forgets which prompts were seen

Latencies and pauses are seconds. It listens on loopback only.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx2

ROOT = pathlib.Path(__file__).parent.parent.parent
READY = "listening on "
IMAGE_PATHS = ("/images/generations", "/images/edits")


@dataclasses.dataclass(frozen=True)
class Fake:
    """A running fake. `url` ends in /v1 and is what OPENAI_BASE_URL should be."""

    url: str
    pid: int
    _client: httpx2.Client = dataclasses.field(repr=False)

    def journal(self, **wanted: object) -> list[dict[str, Any]]:
        """Return the calls received so far, oldest first; only those whose fields equal `wanted`."""
        rows: list[dict[str, Any]] = self._ask("GET", "/_journal")
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    def images(self, **wanted: object) -> list[dict[str, Any]]:
        """Return the calls for images so far, oldest first."""
        return [row for row in self.journal(**wanted) if row["path"].endswith(IMAGE_PATHS)]

    def control(self, **settings: object) -> dict[str, Any]:
        """Change settings for every call from now on (see `provider_faults.Settings`); returns all of them."""
        state: dict[str, Any] = self._ask("POST", "/_control", settings)
        return state

    def forget(self) -> None:
        """Empty the journal and go back to the settings it began with."""
        self._ask("DELETE", "/_journal")
        self._ask("DELETE", "/_control")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self._client.request(method, path, json=body)
        if answer.status_code != 200:
            raise ValueError(answer.text)
        return answer.json()


@contextlib.contextmanager
def running(*, latency: float = 0.0, image_bytes: int = 0, seed: int = 0) -> Iterator[Fake]:
    """Have a fake in a process of its own for as long as the block lasts; ready when the block begins."""
    command = [
        sys.executable, "-m", "tests.fakes.provider", "--port", "0", "--latency", str(latency),
        "--image-bytes", str(image_bytes), "--seed", str(seed), "--until-stdin-ends",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith(READY):
            raise RuntimeError("the fake provider did not start")
        address = line.removeprefix(READY).strip()
        with httpx2.Client(base_url=address, trust_env=False, timeout=30) as client:
            yield Fake(f"{address}/v1", process.pid, client)
    finally:
        process.kill()  # it keeps nothing that would need an orderly end
        process.wait()
        process.stdin.close()
        process.stdout.close()


def serve(words: list[str]) -> None:
    """Serve until stopped."""
    import uvicorn

    from tests.fakes import provider_faults, provider_server

    asked = argparse.ArgumentParser(prog="python -m tests.fakes.provider", description="A fake image provider.")
    asked.add_argument("--port", type=int, default=0, help="0: any free port")
    asked.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    asked.add_argument("--image-bytes", type=int, default=0, help="pictures of noise of about so many bytes, made once")
    asked.add_argument("--seed", type=int, default=0, help="for faults with a share")
    asked.add_argument("--until-stdin-ends", action="store_true", help="end when the process that started it does")
    given = asked.parse_args(words)
    server = provider_server.Server(
        provider_faults.Settings(latency=given.latency, image_bytes=given.image_bytes), seed=given.seed
    )
    # The protocol is named because asyncio turns Nagle's delay off only for sockets that say so.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", given.port))
    listener.listen(4096)
    if given.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    print(f"{READY}http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(
        # Longer keep-alive than any client's, so that no client meets a connection that is just being closed.
        uvicorn.Config(
            server, lifespan="off", log_level="critical", access_log=False, proxy_headers=False, timeout_keep_alive=600,
            timeout_graceful_shutdown=1,
        )
    ).run(sockets=[listener])  # fmt: skip


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1:])
