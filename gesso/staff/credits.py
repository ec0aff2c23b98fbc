"""Grants, holds and entries as staff see them. Money is only looked at here; granting is in `granting`."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from gesso.core import ids
from gesso.credits.models import CreditEntry, CreditGrant, CreditHold, HoldPart
from gesso.staff import records


class _Owned(records.Records):
    """Rows of one workspace, found by the person's email, the workspace's id, their own number or their reference."""

    emails = ("workspace__person__email",)
    uuids = ("workspace_id",)
    numbers = ("id",)
    texts = ("reference",)
    ordering = ("-id",)

    @admin.display(description="workspace", ordering="workspace")
    def workspace_link(self, row: CreditGrant | CreditHold | CreditEntry) -> str:
        """Return a link to the workspace."""
        return records.link(row.workspace)


class Grants(_Owned):
    """Lots of credits and what became of them."""

    list_display = (
        "id", "workspace_link", "source", "amount", "available", "held", "spent", "expired", "revoked", "expires_at",
        "created_at",
    )  # fmt: skip
    list_filter = ("source",)
    list_select_related = ("workspace",)
    fields = (
        "id", "workspace_link", "source", "amount", "available", "held", "spent", "expired", "revoked", "priority",
        "expires_at", "reference", "created_at", "its_entries",
    )  # fmt: skip

    @admin.display(description="entries")
    def its_entries(self, row: CreditGrant) -> str:
        """Return a link to the movements of this grant."""
        return records.rows_of(CreditEntry, "grant__id__exact", row.pk, "Every movement of this grant")


class Parts(records.Lines):
    """What each grant gave to a hold."""

    model = HoldPart
    fields = ("grant_link", "amount", "captured", "released", "returned")
    ordering = ("id",)
    verbose_name_plural = "parts"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the parts with their grants."""
        return super().get_queryset(request).select_related("grant")

    @admin.display(description="grant")
    def grant_link(self, row: HoldPart) -> str:
        """Return a link to the grant."""
        return records.link(row.grant)


class Movements(records.Lines):
    """The entries of a hold."""

    model = CreditEntry
    fields = ("entry_link", "kind", "from_bucket", "to_bucket", "amount", "balance_after", "at", "reason")
    ordering = ("id",)
    verbose_name_plural = "entries"

    @admin.display(description="entry")
    def entry_link(self, row: CreditEntry) -> str:
        """Return a link to the entry."""
        return records.link(row, f"#{row.pk}")


class Holds(_Owned):
    """Credits set aside, each hold with its generation, its parts and its entries."""

    list_display = (
        "id", "work", "workspace_link", "amount", "captured", "released", "state", "created_at", "closed_at",
    )  # fmt: skip
    list_filter = ("state",)
    list_select_related = ("workspace",)
    fields = (
        "id", "workspace_link", "work", "amount", "captured", "released", "state", "created_at", "closed_at",
    )  # fmt: skip
    inlines = (Parts, Movements)

    @admin.display(description="generation", ordering="reference")
    def work(self, row: CreditHold) -> str:
        """Return a link to the generation that the reference names."""
        number = ids.parse(row.reference)
        if number is None:
            return row.reference
        address = reverse("staff:generations_generation_change", args=[number])
        return format_html('<a href="{}">{}</a>', address, row.reference)


class Entries(_Owned):
    """The ledger, line by line."""

    list_display = (
        "id", "at", "workspace_link", "kind", "from_bucket", "to_bucket", "amount", "balance_after", "grant_link",
        "hold_link", "reference", "actor",
    )  # fmt: skip
    list_filter = ("kind",)
    list_select_related = ("workspace", "grant", "hold")
    fields = (
        "id", "at", "workspace_link", "kind", "from_bucket", "to_bucket", "amount", "balance_after", "grant_link",
        "hold_link", "reference", "actor", "reason",
    )  # fmt: skip

    @admin.display(description="grant")
    def grant_link(self, row: CreditEntry) -> str:
        """Return a link to the grant that moved."""
        return records.link(row.grant)

    @admin.display(description="hold")
    def hold_link(self, row: CreditEntry) -> str:
        """Return a link to the hold it moved for, if any."""
        return records.link(row.hold)


def register(site: admin.AdminSite) -> None:
    """Put grants, holds and entries on the site."""
    site.register(CreditGrant, Grants)
    site.register(CreditHold, Holds)
    site.register(CreditEntry, Entries)
