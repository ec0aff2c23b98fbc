"""Stored pictures: uploads and delivered outputs.

Invariants: a row exists only after its bytes are durable under `storage_key`; the bytes of an output are the
provider's, untouched; the bytes of an upload are our clean, upright re-encode. What an image was made from is in
`generations`; files that can be made again (renditions) have no rows.
"""

import uuid

from django.db import models
from django.db.models.functions import Now

from gesso.accounts.models import User, Workspace
from gesso.core import ids


class Image(models.Model):
    """A picture of one workspace. `width`, `height` in pixels; `bytes`, `sha256`, `media_type` are the original's."""

    class Origin(models.TextChoices):
        UPLOAD = "upload"
        OUTPUT = "output"

    class Verdict(models.TextChoices):
        ALLOWED = "allowed"  # judged, may be seen
        WITHHELD = "withheld"  # flagged: never shown, never served

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="images")
    member = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    origin = models.CharField(max_length=6, choices=Origin)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    media_type = models.CharField(max_length=10)  # image/png, image/jpeg, image/webp
    bytes = models.PositiveBigIntegerField()
    sha256 = models.BinaryField(max_length=32)
    storage_key = models.CharField(max_length=200, unique=True)
    placeholder = models.CharField(max_length=7, default="#888888")  # mean colour; set with the renditions
    label = models.CharField(
        max_length=120, blank=True
    )  # an upload's file name or the prompt's first words, for reading only
    verdict = models.CharField(max_length=8, choices=Verdict)
    rendered_at = models.DateTimeField(null=True)  # fully decoded, renditions made
    broken_at = models.DateTimeField(null=True)  # proved undecodable after it was delivered: withdrawn
    favourite_at = models.DateTimeField(null=True)
    trashed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(width__gte=1, height__gte=1, bytes__gte=1), name="image_has_size"
            ),
            models.CheckConstraint(
                condition=models.Q(media_type__in=["image/png", "image/jpeg", "image/webp"]),
                name="image_media_type",
            ),
        ]
        indexes = [
            # The library's order: newest first, keyset pages.
            models.Index(fields=["workspace", "-created_at", "-id"], name="image_newest_first"),
            models.Index(fields=["created_at"], condition=models.Q(rendered_at__isnull=True), name="image_to_render"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class UnfinishedUpload(models.Model):
    """An upload on its way: written before its bytes, deleted with the making of its row. One that is old has died."""

    storage_key = models.CharField(max_length=200, primary_key=True)
    begun_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.storage_key
