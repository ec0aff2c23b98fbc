"""A real S3 server for the bucket's tests, and a storage of its own for each test."""

import pathlib
import socket
import subprocess
import time
import urllib.request

import pytest

from gesso.images import storage

MOTO = pathlib.Path(__file__).parents[2] / ".venv-s3" / "bin" / "moto_server"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """The storage of this test: an empty directory."""
    made = storage.Directory(tmp_path / "images")
    monkeypatch.setattr(storage, "current", lambda: made)
    return made


@pytest.fixture(scope="session")
def s3_server():
    """The address of a moto server; requirements/s3server.txt is installed by `make test`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait(address: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
        except OSError:
            assert time.monotonic() < until, "the S3 server did not start"
            time.sleep(0.1)
        else:
            return
