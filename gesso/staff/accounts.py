"""People and workspaces as staff see them, and the one thing they can do here: grant credits to a workspace."""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from gesso.accounts.models import Membership, User, Workspace
from gesso.credits import queries
from gesso.credits.models import CreditEntry, CreditGrant, CreditHold
from gesso.generations.models import Generation
from gesso.images.models import Image
from gesso.staff import granting, records


class Members(records.Lines):
    """Who belongs to a workspace."""

    model = Membership
    fields = ("person", "role", "created_at")
    verbose_name_plural = "members"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the members with their people."""
        return super().get_queryset(request).select_related("user").order_by("created_at")

    @admin.display(description="person")
    def person(self, row: Membership) -> str:
        """Return a link to the person."""
        return records.link(row.user)


class People(records.Records):
    """Everybody with an account. Secrets are not among the fields, and none are shown."""

    emails = ("email",)
    numbers = ("id",)
    uuids = ("personal_workspace__id",)
    ordering = ("-id",)
    list_display = ("email", "name", "workspace", "is_staff", "is_owner", "is_active", "created_at", "last_login")
    list_filter = ("is_staff", "is_active")
    list_select_related = ("personal_workspace",)
    fields = ("id", "email", "name", "workspace", "is_staff", "is_owner", "is_active", "created_at", "last_login")

    @admin.display(description="workspace")
    def workspace(self, row: User) -> str:
        """Return a link to the person's own workspace."""
        return records.link(getattr(row, "personal_workspace", None))


class Workspaces(records.Records):
    """Workspaces: whose they are, what they have, where to look on."""

    emails = ("person__email", "memberships__user__email")
    uuids = ("id",)
    many = True
    ordering = ("-created_at", "-id")
    list_display = ("name", "id", "kind", "owner", "suspended_at", "created_at")
    list_filter = ("kind",)
    list_select_related = ("person",)
    fields = ("id", "name", "kind", "owner", "balance", "grants", "look_on", "suspended_at", "created_at")
    inlines = (Members,)
    change_form_template = "staff/workspace.html"

    @admin.display(description="person")
    def owner(self, row: Workspace) -> str:
        """Return a link to the person whose workspace this is; a dash for a team."""
        return records.link(row.person)

    @admin.display(description="balance")
    def balance(self, row: Workspace) -> str:
        """Return what can be spent, what is held and what is owed, in credits."""
        now = queries.balance(row.pk)
        return f"{now.available:,} available, {now.held:,} held, {now.debt:,} owed"

    @admin.display(description="grants with something left")
    def grants(self, row: Workspace) -> str:
        """Return the grants in the order in which they will be spent."""
        lines = queries.balance(row.pk).grants
        return records.table(
            ("Source", "Available", "Held", "Until"),
            [(line.source, line.available, line.held, line.expires_at or "for ever") for line in lines],
        )

    @admin.display(description="its rows")
    def look_on(self, row: Workspace) -> SafeString:
        """Return links to everything that belongs to this workspace."""
        lists = (
            (Generation, "Generations"), (Image, "Images"), (CreditGrant, "Grants"), (CreditHold, "Holds"),
            (CreditEntry, "Entries"),
        )  # fmt: skip
        links = (records.rows_of(model, "workspace__id__exact", row.pk, words) for model, words in lists)
        return format_html_join(", ", "{}", ((made,) for made in links))

    def get_urls(self) -> list[URLPattern]:
        """Add the page that grants credits."""
        view = self.admin_site.admin_view(self.grant)
        return [path("<path:object_id>/grant/", view, name="accounts_workspace_grant"), *super().get_urls()]

    def grant(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask how many credits and why, grant them, and show the workspace again."""
        workspace = self.get_object(request, object_id)
        if workspace is None:
            raise Http404
        form = granting.GrantForm(request.POST or None, initial={"once": uuid.uuid4()})
        if request.method == "POST" and form.is_valid() and (done := self._granted(request, workspace, form)):
            return done
        context = {
            **self.admin_site.each_context(request),
            "title": "Grant credits",
            "subtitle": str(workspace),
            "opts": self.opts,
            "original": workspace,
            "form": form,
            "balance": self.balance(workspace),
        }
        return TemplateResponse(request, "staff/grant.html", context, status=400 if form.errors else 200)

    def _granted(self, request: HttpRequest, workspace: Workspace, form: granting.GrantForm) -> HttpResponse | None:
        """Grant what the form says; None when the form was used before to grant something else."""
        assert isinstance(request.user, User)
        try:
            new = granting.give(workspace, request.user, **form.cleaned_data)
        except granting.UsedBefore as used:
            form.add_error(None, str(used))
            return None
        words = "granted" if new else "had been granted already; nothing was granted twice"
        messages.success(request, f"{form.cleaned_data['amount']} credits {words}. Now {self.balance(workspace)}.")
        return HttpResponseRedirect(reverse("staff:accounts_workspace_change", args=[workspace.pk]))


def register(site: admin.AdminSite) -> None:
    """Put people and workspaces on the site."""
    site.register(User, People)
    site.register(Workspace, Workspaces)
