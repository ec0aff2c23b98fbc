"""The same job with nothing around it, to compare with: the prototype that the targets were set by, built from its
description.

It asks the fake provider, decodes the answer, checks the picture's CRCs, writes it durably and moves a credit, in a
worker of the same queue and the same Postgres. It has no lease, attempt, spool, proof of pixels, moderation, timeline,
web process or page. What it costs here and what it cost where the targets come from says how far they are apart.
"""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson
import procrastinate
import psycopg
import pybase64
from isal import isal_zlib

from benchmarks import rows, stack

THERE_MS = 6.0  # CPU of its worker for each job, one at a time, where the targets come from (6.3 to 8.1 in bursts)
QUEUE = "prototype"
ASK = {"model": "gpt-image-1", "prompt": "A pear on a table", "n": 1, "size": "1024x1024", "quality": "low"}
TABLES = """
CREATE TABLE prototype_account (free int NOT NULL, held int NOT NULL, spent int NOT NULL);
CREATE TABLE prototype_job (id bigserial PRIMARY KEY, ended_at timestamptz);
CREATE TABLE prototype_entry (id bigserial PRIMARY KEY, job bigint NOT NULL, amount int NOT NULL);
INSERT INTO prototype_account VALUES (1000000, 0, 0);
"""
DEFER = """
SELECT procrastinate_defer_jobs_v1(ARRAY[
    ROW(%s, %s, 0, NULL, NULL, jsonb_build_object('number', %s::bigint), NULL)::procrastinate_job_to_defer_v1
])
"""
BROKEN = "the prototype's worker has ended"


@dataclasses.dataclass(frozen=True)
class Prototype:
    """A running one: the pid of its worker, and the database that it shares with the measured stack."""

    worker: "subprocess.Popen[bytes]"
    database: "psycopg.Connection[Any]"

    def cost_ms(self, total: int) -> float:
        """Do `total` jobs one after the other; returns the worker's CPU for each in milliseconds."""
        before = stack.cpu_seconds(self.worker.pid)[0]
        for _ in range(total):
            self._submit()
            self._until_done()
        return (stack.cpu_seconds(self.worker.pid)[0] - before) * 1000 / total

    def _submit(self) -> None:
        with self.database.transaction():
            sent = self.database.execute("INSERT INTO prototype_job DEFAULT VALUES RETURNING id").fetchone()
            assert sent
            self.database.execute("UPDATE prototype_account SET free = free - 1, held = held + 1")
            self.database.execute("INSERT INTO prototype_entry (job, amount) VALUES (%s, 1)", sent)
            self.database.execute(DEFER, [QUEUE, QUEUE, *sent])

    def _until_done(self) -> None:
        while self.database.execute("SELECT FROM prototype_job WHERE ended_at IS NULL LIMIT 1").rowcount:
            assert self.worker.poll() is None, BROKEN
            time.sleep(0.01)


@contextlib.contextmanager
def running(here: stack.Stack) -> Iterator[Prototype]:
    """Run the prototype's worker beside the measured stack, whose worker has nothing to do meanwhile."""
    directory = here.data_dir.parent / "prototype"
    directory.mkdir(exist_ok=True)
    with rows.connected(here) as database:
        database.execute(f"DROP TABLE IF EXISTS prototype_account, prototype_job, prototype_entry; {TABLES}")
        worker = subprocess.Popen([
            sys.executable, "-c", "import sys; from benchmarks import prototype; prototype.work(*sys.argv[1:])",
            database.info.dsn, f"{here.provider_url}/v1/images/generations", directory,
        ])  # fmt: skip
        try:
            made = Prototype(worker, database)
            made.cost_ms(20)  # what only the first jobs pay
            yield made
        finally:
            worker.terminate()
            worker.wait()


def work(dsn: str, provider: str, directory: str) -> None:
    """Be the worker, until SIGTERM."""
    queue = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn, min_size=1, max_size=4))

    async def main() -> None:
        session = aiohttp.ClientSession(read_bufsize=256 * 1024, headers={"authorization": "Bearer sk-benchmark"})
        database = await psycopg.AsyncConnection.connect(dsn)

        @queue.task(name=QUEUE, queue=QUEUE)
        async def make(number: int) -> None:
            async with session.post(provider, json=ASK) as answer:
                body = await answer.read()
            await asyncio.to_thread(_keep, pathlib.Path(directory), str(number), body)
            async with database.transaction():
                await database.execute("UPDATE prototype_job SET ended_at = clock_timestamp() WHERE id = %s", [number])
                await database.execute("INSERT INTO prototype_entry (job, amount) VALUES (%s, -1)", [number])
                await database.execute("UPDATE prototype_account SET held = held - 1, spent = spent + 1")

        async with session, database, queue.open_async():
            await queue.run_worker_async(queues=[QUEUE], delete_jobs="always")

    asyncio.run(main())


def _keep(directory: pathlib.Path, number: str, body: bytes) -> None:
    """Decode an answer, check the CRC of every chunk of its picture, and write it durably under its final name."""
    data = pybase64.b64decode(orjson.loads(body)["data"][0]["b64_json"])
    place, view = 8, memoryview(data)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        assert isal_zlib.crc32(view[place + 4 : end - 4]) == struct.unpack_from(">I", data, end - 4)[0]
        place = end
    beside = directory / f".{number}"
    with beside.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(directory / f"{number}.png")
    descriptor = os.open(directory, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
