"""What this machine does with steps that were also measured where the targets come from.

A target in milliseconds is of that machine. When these rows are twice theirs, so is everything that is made of them.
"""

import base64
import hashlib
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator

TIMES = 25


def steps() -> Iterator[tuple[str, float, float]]:
    """Yield the name of each step, its CPU in milliseconds here (the cheapest of 25), and there."""
    picture = os.urandom(1_560_000)
    answer = json.dumps({"data": [{"b64_json": base64.b64encode(picture).decode()}]})
    yield (
        "json.loads and base64 of 2.1 MB",
        _cheapest(lambda: base64.b64decode(json.loads(answer)["data"][0]["b64_json"])),
        6.2,
    )
    yield "SHA-256 of 1.5 MB", _cheapest(lambda: hashlib.sha256(picture).digest()), 0.9
    with tempfile.TemporaryDirectory(prefix="gesso-bench-") as directory:
        numbers = iter(range(1000))
        write = _cheapest(lambda: _write(pathlib.Path(directory, str(next(numbers))), picture))
        yield "write 1.5 MB to a new file, and fsync", write, 0.4


def _cheapest(step: Callable[[], object]) -> float:
    costs = []
    for _ in range(TIMES):
        begun = time.process_time()
        step()
        costs.append(time.process_time() - begun)
    return min(costs) * 1000


def _write(path: pathlib.Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
