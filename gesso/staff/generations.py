"""Generations as staff see them: the request, its slots, every try with what the provider said raw, its timeline."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.text import Truncator

from gesso.generations import queries
from gesso.generations.models import Generation, GenerationEvent, GenerationReference, Output
from gesso.staff import records


class Outputs(records.Lines):
    """The slots of a generation."""

    model = Output
    fields = ("index", "state", "failure_code", "picture", "ended_at")
    verbose_name_plural = "outputs"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the slots with their pictures, in order."""
        return super().get_queryset(request).select_related("image").order_by("index")

    @admin.display(description="image")
    def picture(self, row: Output) -> str:
        """Return a link to the delivered image."""
        return records.link(row.image)


class References(records.Lines):
    """What a generation was made from."""

    model = GenerationReference
    fields = ("position", "role", "picture")
    verbose_name_plural = "references"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the references with their pictures, in order."""
        return super().get_queryset(request).select_related("image").order_by("position")

    @admin.display(description="image")
    def picture(self, row: GenerationReference) -> str:
        """Return a link to the image."""
        return records.link(row.image)


class Timeline(records.Lines):
    """What happened, line by line."""

    model = GenerationEvent
    fields = ("sequence", "moment", "kind", "epoch", "data")
    ordering = ("sequence",)
    verbose_name_plural = "timeline"

    @admin.display(description="at")
    def moment(self, row: GenerationEvent) -> str:
        """Return when it happened, to the second."""
        return records.moment(row.at)


class Generations(records.Records):
    """Every generation, newest first."""

    emails = ("workspace__person__email", "member__email")
    uuids = ("id", "workspace_id")
    numbers = ("hold_id",)
    ordering = ("-created_at", "-id")
    list_display = (
        "id", "prompt_start", "workspace_link", "state", "failure_code", "model", "quality", "count", "price",
        "created_at", "ended_at",
    )  # fmt: skip
    list_filter = ("state", "quality")
    list_select_related = ("workspace",)
    fields = (
        "id", "workspace_link", "member_link", "parent_link", "prompt", "model", "provider", "aspect_ratio", "width",
        "height", "quality", "count", "background", "format", "price_each", "price", "hold_link", "state",
        "failure_code", "tries", "created_at", "moderated_at", "started_at", "deadline_at", "ended_at", "lease_owner",
        "lease_epoch", "lease_expires_at", "wake_at", "rescues",
    )  # fmt: skip
    inlines = (Outputs, References, Timeline)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the rows with what their page links to."""
        return super().get_queryset(request).select_related("workspace", "member", "hold", "parent")

    @admin.display(description="prompt")
    def prompt_start(self, row: Generation) -> str:
        """Return the prompt's first words."""
        return Truncator(row.prompt).chars(60)

    @admin.display(description="workspace", ordering="workspace")
    def workspace_link(self, row: Generation) -> str:
        """Return a link to the workspace."""
        return records.link(row.workspace)

    @admin.display(description="member")
    def member_link(self, row: Generation) -> str:
        """Return a link to whoever asked for it."""
        return records.link(row.member)

    @admin.display(description="made again from")
    def parent_link(self, row: Generation) -> str:
        """Return a link to the generation of which this is a retry."""
        return records.link(row.parent)

    @admin.display(description="hold")
    def hold_link(self, row: Generation) -> str:
        """Return a link to the hold, which leads on to the entries."""
        hold = row.hold
        return records.link(
            hold, f"{hold.amount} held, {hold.captured} captured, {hold.released} released ({hold.state})"
        )

    @admin.display(description="attempts")
    def tries(self, row: Generation) -> str:
        """Return every try at the provider; what the provider said raw is for staff only."""
        return records.table(
            ("Image", "Try", "State", "Sent", "Ended", "Failure", "Request", "The provider said"),
            [
                (
                    attempt.output.index + 1, attempt.number, attempt.state, attempt.sent_at, attempt.ended_at or "",
                    f"{attempt.failure_kind} {attempt.failure_code}".strip(), attempt.request_id,
                    Truncator(attempt.raw_error).chars(2000),
                )
                for attempt in queries.attempts(row)
            ],
        )  # fmt: skip


def register(site: admin.AdminSite) -> None:
    """Put generations on the site."""
    site.register(Generation, Generations)
