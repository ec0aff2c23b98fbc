"""Alarm clocks: jobs that say "look at this row". They carry ids only; losing all of them loses no work (law 2).

Jobs are deferred on Django's connection, so that one commit makes the row and its alarm true together.
"""

import uuid
from collections.abc import Sequence

from procrastinate.contrib.django import app
from procrastinate.types import JSONDict

ADVANCE = "advance"
RENDER = "render"
# Two queues, so that renditions never stand in the way of a generation.
GENERATIONS = "generations"
RENDITIONS = "renditions"


def ring(generation_ids: Sequence[uuid.UUID]) -> None:
    """Ask a worker to advance these generations."""
    _defer(ADVANCE, GENERATIONS, "generation_id", generation_ids)


def ask_for_renditions(image_ids: Sequence[uuid.UUID]) -> None:
    """Ask a worker to decode these images fully and make their renditions."""
    _defer(RENDER, RENDITIONS, "image_id", image_ids)


def _defer(task: str, queue: str, name: str, values: Sequence[uuid.UUID]) -> None:
    if values:
        arguments: list[JSONDict] = [{name: str(value)} for value in values]
        app.configure_task(task, queue=queue, allow_unknown=True).batch_defer(*arguments)
