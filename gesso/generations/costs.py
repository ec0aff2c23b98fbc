"""What one attempt costs at its provider, in millionths of a dollar, by the catalogue's `costs`.

Invariant: an attempt carries what it is expected to cost from before its request leaves, and what it did cost from its
end on; so one that never ended has a cost too, which is only likely. Credits and prices are in `pricing`.
"""

from collections.abc import Mapping

from gesso.core import catalog
from gesso.generations.models import Generation

FREE = "sandbox"  # the provider that runs here


def expected(generation: Generation) -> int | None:
    """Return what one image of this generation costs by the table; None when the catalogue doesn't say."""
    if generation.provider == FREE:
        return 0
    rows = catalog.current().costs.get(generation.model)
    return rows.of_image(generation.quality, generation.width, generation.height) if rows else None


def of_answer(generation: Generation, usage: Mapping[str, object]) -> int | None:
    """Return what an answer with a picture cost: by the tokens it says it used, else by the table."""
    if generation.provider == FREE:
        return 0
    rows = catalog.current().costs.get(generation.model)
    by_tokens = rows.of_usage(usage) if rows else None
    return expected(generation) if by_tokens is None else by_tokens


def of_failure(generation: Generation, *, worked: bool) -> int | None:
    """Return what an attempt without a picture cost: nothing, unless the provider may have done the work (`worked`)."""
    return expected(generation) if worked else 0
