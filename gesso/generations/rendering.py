"""Renditions off the path: full decode right after delivery. A broken picture is withdrawn and its price returned."""

import uuid

import structlog

from gesso.generations import broadcast, settlement
from gesso.images import renditions
from gesso.images.models import Image

log = structlog.get_logger()


def render(image_id: uuid.UUID) -> None:
    """Make the renditions of an image, or withdraw it. Harmless when done before or twice at once."""
    image = Image.objects.filter(id=image_id, rendered_at=None, broken_at=None, verdict=Image.Verdict.ALLOWED).first()
    if image is None:
        return
    try:
        renditions.make(image)
    except renditions.Undecodable as broken:
        returned = settlement.withdraw(image_id)
        log.warning(
            "a picture proved broken and was withdrawn",
            image=str(image_id),
            reason=str(broken),
            returned=returned,
        )
        return
    if image.origin == Image.Origin.OUTPUT:
        broadcast.announce_generations(image.workspace_id, [image.output.generation_id])
