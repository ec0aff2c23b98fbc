"""An image's papers: the generation it came from, its siblings, what it was made from and what came from it.

One step each way. Withheld and broken images are left out; what is in the trash is shown, for it can come back.
"""

import dataclasses

from django.db.models import Prefetch, QuerySet

from gesso.generations.models import Generation, GenerationReference, Output
from gesso.images.models import Image

MOST_CHILDREN = 12  # generations shown below an image


@dataclasses.dataclass(frozen=True)
class Child:
    """A generation that used the image, and the first of what it delivered."""

    generation: Generation
    images: list[Image]


@dataclasses.dataclass(frozen=True)
class Papers:
    """`generation` is None for an upload. `siblings` are all its delivered images in order, this one too."""

    generation: Generation | None
    index: int
    siblings: list[Image]
    references: list[GenerationReference]
    children: list[Child]


def papers(image: Image) -> Papers:
    """Return the papers of an image (at most five queries)."""
    output = Output.objects.filter(image=image).select_related("generation__member").first()
    children = _children(image)
    if output is None:
        return Papers(None, 0, [image], [], children)
    references = GenerationReference.objects.filter(generation=output.generation).select_related("image")
    return Papers(
        output.generation,
        output.index,
        [row.image for row in _delivered().filter(generation=output.generation) if row.image],
        [row for row in references.order_by("position") if _shown(row.image)],
        children,
    )


def _children(image: Image) -> list[Child]:
    rows = Generation.objects.filter(workspace_id=image.workspace_id, references__image=image).distinct()
    rows = rows.prefetch_related(Prefetch("outputs", _delivered()))
    newest = rows.order_by("-created_at", "-id")[:MOST_CHILDREN]
    made = [Child(row, [output.image for output in row.outputs.all() if output.image]) for row in newest]
    return [child for child in made if child.images]


def _delivered() -> QuerySet[Output]:
    rows = Output.objects.filter(
        state=Output.State.DELIVERED, image__verdict=Image.Verdict.ALLOWED, image__broken_at=None
    )
    return rows.select_related("image").order_by("index")


def _shown(image: Image) -> bool:
    return image.verdict == Image.Verdict.ALLOWED and image.broken_at is None
