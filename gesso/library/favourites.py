"""Marking images as favourites. The moment is kept, so that they can be shown by when they were marked."""

import uuid

from django.db.models.functions import Now

from gesso.images.models import Image


def mark(workspace_id: uuid.UUID, image_id: uuid.UUID, *, favourite: bool) -> bool:
    """Make the image a favourite or not one; again changes nothing. Return whether the workspace has such an image."""
    rows = Image.objects.filter(workspace_id=workspace_id, id=image_id)
    if favourite:
        rows.filter(favourite_at=None).update(favourite_at=Now())
    else:
        rows.update(favourite_at=None)
    return rows.exists()
