"""What gateways told us as staff see it: webhooks, reports that our rows don't bear out, looks of reconciliation.

Staff can say that they have seen a report; nothing else is written here, and nothing of it moves money.
"""

import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse

from gesso.accounts.models import User
from gesso.billing import reconciliation
from gesso.billing.models import Mismatch, Reconciliation
from gesso.core import clock
from gesso.staff import records
from gesso.webhooks.models import WebhookEvent

GIVEN_UP = Q(due_at__isnull=True, handled_at__isnull=True)
LATE = 3 * reconciliation.EVERY  # without a look: then something is wrong with the worker


class Seen(admin.EmptyFieldListFilter):
    """Whether somebody has seen it."""

    def choices(self, changelist: Any) -> Any:
        """Yield the choices in our words."""
        words = {None: "All", "1": "Not seen", "0": "Seen"}
        for choice, word in zip(super().choices(changelist), words.values(), strict=True):
            yield choice | {"display": word}


class Mismatches(records.Records):
    """Reports that our own rows don't bear out: nothing moved, somebody must look."""

    numbers = ("id",)
    texts = ("subject",)
    search_help_text = "A gateway's id, or the beginning of one"
    ordering = ("-id",)
    list_display = ("id", "created_at", "gateway", "code", "subject", "sentence", "seen_at")
    list_filter = (("seen_at", Seen), "code", "gateway")
    fields = ("id", "created_at", "gateway", "code", "subject", "sentence", "seen_at")
    change_form_template = "staff/mismatch.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the address that marks one as seen."""
        view = self.admin_site.admin_view(self.mark)
        return [path("<path:object_id>/seen/", view, name="billing_mismatch_seen"), *super().get_urls()]

    def mark(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Note that somebody has seen it, and who; a second time changes nothing."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        assert isinstance(request.user, User)
        if Mismatch.objects.filter(pk=row.pk, seen_at__isnull=True).update(seen_at=clock.now()):
            LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, "Seen", single_object=True)
        messages.success(request, "Marked as seen.")
        return HttpResponseRedirect(reverse("staff:billing_mismatch_change", args=[row.pk]))


class Rounds(records.Records):
    """The looks of reconciliation, each with what webhooks had missed."""

    numbers = ("id",)
    texts = ("gateway",)
    search_help_text = "A number, or a gateway's name"
    ordering = ("-id",)
    list_display = ("id", "gateway", "began_at", "ended_at", "looked_at", "found", "failed")
    list_filter = ("gateway",)
    fields = ("id", "gateway", "began_at", "ended_at", "looked_at", "mended_lines", "failed")

    @admin.display(description="mended")
    def found(self, row: Reconciliation) -> str:
        """Return how many things were mended."""
        return f"{len(row.mended):,}" if row.mended else records.NOTHING

    @admin.display(description="mended")
    def mended_lines(self, row: Reconciliation) -> str:
        """Return what was mended, line by line."""
        return records.table(("What no webhook had said",), [(sentence,) for sentence in row.mended])


class Standing(admin.SimpleListFilter):
    """What became of an event."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 (the admin's)
        """Return the choices."""
        return [("handled", "Handled"), ("waiting", "Waiting"), ("given-up", "Given up")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:  # noqa: ARG002 (the admin's)
        """Return the events of the chosen standing."""
        chosen = {
            "handled": Q(handled_at__isnull=False), "waiting": Q(due_at__isnull=False), "given-up": GIVEN_UP, None: Q(),
        }  # fmt: skip
        return queryset.filter(chosen.get(self.value(), Q()))


class Events(records.Records):
    """Every webhook that was proved, with what it changed or why it could not be handled; its body stays unseen."""

    numbers = ("id",)
    texts = ("external_id", "type")
    search_help_text = "The gateway's id of the event or its type, or the beginning of one"
    ordering = ("-id",)
    list_display = ("id", "received_at", "gateway", "type", "external_id", "mode", "standing", "tries", "failed")
    list_filter = (Standing, "gateway", records.Mode)
    fields = (
        "id", "received_at", "gateway", "external_id", "type", "mode", "names", "size", "standing", "due_at", "tries",
        "handled_at", "change_lines", "failed",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the events; bodies are not fetched for lists."""
        return super().get_queryset(request).defer("payload")

    @admin.display(description="mode", ordering="live")
    def mode(self, row: WebhookEvent) -> str:
        """Return whether it is about real money."""
        return records.mode(row)

    @admin.display(description="standing")
    def standing(self, row: WebhookEvent) -> str:
        """Return what became of it."""
        if row.handled_at:
            return "handled"
        return "waiting" if row.due_at else "given up"

    @admin.display(description="says where to look")
    def names(self, row: WebhookEvent) -> str:
        """Return what it named at the gateway."""
        return records.table(("Kind", "Id"), [tuple(pair) for pair in row.subjects])

    @admin.display(description="bytes")
    def size(self, row: WebhookEvent) -> str:
        """Return the length of its body."""
        return f"{len(row.payload):,}"

    @admin.display(description="changed")
    def change_lines(self, row: WebhookEvent) -> str:
        """Return what it changed, line by line."""
        return records.table(("What it changed",), [(sentence,) for sentence in row.changes])


def alerts() -> list[tuple[str, str]]:
    """Return a sentence and an address for each thing about money that somebody should look at."""
    found = []
    if unseen := Mismatch.objects.filter(seen_at__isnull=True).count():
        words = "1 report of a gateway was" if unseen == 1 else f"{unseen:,} reports of gateways were"
        found.append((f"{words} not borne out by our rows; nothing moved.", _list(Mismatch, "seen_at__isempty=1")))
    if lost := WebhookEvent.objects.filter(GIVEN_UP).count():
        words = "1 webhook was" if lost == 1 else f"{lost:,} webhooks were"
        found.append((f"{words} given up; reconciliation looks on.", _list(WebhookEvent, "standing=given-up")))
    newest = Reconciliation.objects.order_by("gateway", "-began_at").distinct("gateway")
    for row in newest:
        if row.failed:
            found.append((f"The last look at {row.gateway} is not whole: {row.failed}", _list(Reconciliation, "")))
        elif _is_late(row.began_at):
            when = records.moment(row.began_at)
            found.append((f"Nobody has looked at {row.gateway} since {when}.", _list(Reconciliation, "")))
    return found


def _is_late(moment: datetime.datetime) -> bool:
    return moment < clock.now() - LATE


def _list(model: type[Mismatch | WebhookEvent | Reconciliation], query: str) -> str:
    name = f"staff:{model._meta.app_label}_{model._meta.model_name}_changelist"  # noqa: SLF001 (Django's public name for it)
    return f"{reverse(name)}?{query}"


def register(site: admin.AdminSite) -> None:
    """Put webhooks, mismatches and reconciliations on the site."""
    site.register(Mismatch, Mismatches)
    site.register(Reconciliation, Rounds)
    site.register(WebhookEvent, Events)
