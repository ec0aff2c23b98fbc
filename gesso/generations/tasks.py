"""The jobs that a worker hears: shallow, one call each. What they carry are ids; the rows say the rest."""

import uuid

import structlog
from procrastinate.contrib.django import app

from gesso.generations import alarms, runner

log = structlog.get_logger()

_runner: runner.Runner | None = None


def use(process_runner: runner.Runner) -> None:
    """Say which runner this process's jobs drive; the worker calls it once, at its start."""
    global _runner  # noqa: PLW0603 (one for each process, like the settings)
    _runner = process_runner


@app.task(name=alarms.ADVANCE, queue=alarms.GENERATIONS)
async def advance(generation_id: str) -> None:
    """Advance one generation; what must wait has its alarm in its row."""
    assert _runner is not None, "tasks.use was called at the worker's start"
    await _runner.advance(uuid.UUID(generation_id))
