"""The trash: images taken off the wall that can be put back. Bytes, prompts and receipts stay as they are."""

import uuid

from django.db.models.functions import Now

from gesso.images.models import Image


def move(workspace_id: uuid.UUID, image_id: uuid.UUID) -> bool:
    """Move the image to the trash; again changes nothing. Return whether the workspace has such an image."""
    rows = Image.objects.filter(workspace_id=workspace_id, id=image_id)
    rows.filter(trashed_at=None).update(trashed_at=Now())
    return rows.exists()


def restore(workspace_id: uuid.UUID, image_id: uuid.UUID) -> bool:
    """Put the image back on the wall. Return whether the workspace has such an image."""
    return bool(Image.objects.filter(workspace_id=workspace_id, id=image_id).update(trashed_at=None))
