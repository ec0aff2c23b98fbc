"""Alarm clocks: jobs that say "look at this row". They carry ids only; losing all of them loses no work (law 2).

Jobs are deferred on Django's connection, so that one commit makes the row and its alarm true together.
"""

import uuid
from collections.abc import Sequence

from procrastinate.contrib.django import app
from procrastinate.types import JSONDict

ADVANCE = "advance"
GENERATIONS = "generations"


def ring(generation_ids: Sequence[uuid.UUID]) -> None:
    """Ask a worker to advance these generations."""
    if generation_ids:
        arguments: list[JSONDict] = [{"generation_id": str(number)} for number in generation_ids]
        app.configure_task(ADVANCE, queue=GENERATIONS, allow_unknown=True).batch_defer(*arguments)
