"""Stored pictures as staff see them: their columns, never their bytes. What was withheld stays unseen here too."""

from django.contrib import admin

from gesso.images.models import Image
from gesso.staff import records


class Images(records.Records):
    """Every upload and every delivered output, newest first."""

    emails = ("workspace__person__email",)
    uuids = ("id", "workspace_id", "output__generation_id")
    ordering = ("-created_at", "-id")
    list_display = ("id", "workspace_link", "origin", "generation", "size", "media_type", "verdict", "created_at")
    list_filter = ("origin", "verdict")
    list_select_related = ("workspace", "output__generation")
    fields = (
        "id", "workspace_link", "member", "origin", "generation", "label", "size", "media_type", "bytes", "digest",
        "storage_key", "verdict", "created_at", "rendered_at", "broken_at", "trashed_at",
    )  # fmt: skip

    @admin.display(description="workspace", ordering="workspace")
    def workspace_link(self, row: Image) -> str:
        """Return a link to the workspace."""
        return records.link(row.workspace)

    @admin.display(description="generation")
    def generation(self, row: Image) -> str:
        """Return a link to the generation that made it; a dash for an upload."""
        output = getattr(row, "output", None)
        return records.link(output.generation if output else None)

    @admin.display(description="pixels")
    def size(self, row: Image) -> str:
        """Return width and height."""
        return f"{row.width} x {row.height}"

    @admin.display(description="SHA-256")
    def digest(self, row: Image) -> str:
        """Return the hash of the original."""
        return bytes(row.sha256).hex()


def register(site: admin.AdminSite) -> None:
    """Put images on the site."""
    site.register(Image, Images)
