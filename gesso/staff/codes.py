"""Promo and invitation codes as staff see them: listed with their uses, made and ended by a form with a reason.

Nothing of a code changes after it was made, except that it ends. What the forms do is in `making_codes`.
"""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from gesso.accounts.models import User
from gesso.core import csv_files
from gesso.credits import promo
from gesso.credits.models import PromoCode, PromoUse
from gesso.staff import making_codes, records, tables

COLUMNS = ("when", "state", "person", "workspace", "workspace_id", "credits")
SHOWN = 100  # uses on the code's page; all of them are in the file


class Codes(records.Records):
    """Codes, the newest first."""

    uuids = ("id",)
    texts = ("shown",)
    search_help_text = "The beginning of a code as it is shown, or of its id"
    ordering = ("-created_at", "-id")
    list_display = ("code", "kind", "credits", "used", "expires_at", "ended_at", "made_by", "created_at")
    list_filter = ("kind",)
    list_select_related = ("made_by",)
    fields = (
        "code", "kind", "credits", "used", "expires_at", "ended_at", "life", "for_whom", "reason", "maker",
        "created_at", "sign_up", "newest_uses",
    )  # fmt: skip
    change_list_template = "staff/codes.html"
    change_form_template = "staff/code.html"

    @admin.display(description="code", ordering="shown")
    def code(self, row: PromoCode) -> str:
        """Return the code as people write it."""
        return row.shown

    @admin.display(description="its credits last")
    def life(self, row: PromoCode) -> str:
        """Return how long credits that it gives can be spent."""
        return f"{row.credits_days or promo.CREDITS_DAYS:,} days"

    @admin.display(description="for")
    def for_whom(self, row: PromoCode) -> str:
        """Return which workspaces may use it."""
        return "new workspaces only" if row.for_new_only else "every workspace"

    @admin.display(description="reason")
    def reason(self, row: PromoCode) -> str:
        """Return why it was made."""
        return row.note

    @admin.display(description="uses", ordering="uses")
    def used(self, row: PromoCode) -> str:
        """Return how often the code was used, of how often it may be."""
        return f"{row.uses:,} of {row.uses_most:,}"

    @admin.display(description="made by")
    def maker(self, row: PromoCode) -> str:
        """Return a link to whoever made it."""
        return records.link(row.made_by)

    @admin.display(description="address with the code")
    def sign_up(self, row: PromoCode) -> str:
        """Return the path that one sends people, with the code filled in."""
        page = "account_signup" if row.kind == PromoCode.Kind.INVITE else "redeem"
        return f"{reverse(page)}?code={row.shown}"

    @admin.display(description="newest uses")
    def newest_uses(self, row: PromoCode) -> str:
        """Return who used it last."""
        uses = row.its_uses.select_related("user", "workspace", "grant").order_by("-at", "-id")[:SHOWN]
        heads = ("When", "State", "Person", "Workspace", "Credits")
        return records.table(
            heads,
            [
                (
                    use.at,
                    use.state,
                    records.link(use.user),
                    records.link(use.workspace),
                    records.link(use.grant, str(use.grant.amount)) if use.grant else records.NOTHING,
                )
                for use in uses
            ],
        )

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that make and end a code, and the file of its uses."""
        guard = self.admin_site.admin_view
        return [
            path("make/", guard(self.make), name="credits_promocode_make"),
            path("<path:object_id>/end/", guard(self.end), name="credits_promocode_end"),
            path("<path:object_id>/uses.csv", guard(self.uses), name="credits_promocode_uses"),
            *super().get_urls(),
        ]

    def make(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a code, make it, and show it."""
        form = making_codes.CodeForm(request.POST or None, initial={"once": making_codes.number(), "uses_most": 1})
        if request.method == "POST" and form.is_valid():
            try:
                code, new = making_codes.make(_staff(request), form.cleaned_data)
            except promo.BadCode as bad:
                form.add_error(None, str(bad))
            else:
                words = "was made" if new else "had been made already; there is one of it"
                messages.success(request, f"The code {code.shown} {words}.")
                return self._shown(code)
        return self._asked(request, form, None, title="Make a code", button="Make the code", failed="No code was made.")

    def end(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask why, and end a code."""
        code = self._found(request, object_id)
        form = making_codes.EndForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            ended = making_codes.end(_staff(request), code, form.cleaned_data["reason"])
            words = "was ended. Credits it gave stay." if ended else "had been ended already."
            messages.success(request, f"The code {code.shown} {words}")
            return self._shown(code)
        return self._asked(request, form, code, title="End a code", button="End the code", failed="It was not ended.")

    def uses(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return every use as CSV, the oldest first."""
        code = self._found(request, object_id)
        rows = PromoUse.objects.filter(code=code).order_by("at", "id")
        found = rows.values_list("at", "state", "user__email", "workspace__name", "workspace_id", "grant__amount")
        lines: list[list[csv_files.Cell]] = [
            [timezone.localtime(at).isoformat(timespec="seconds"), state, email or "", name, str(number), amount or 0]
            for at, state, email, name, number, amount in found
        ]
        return tables.response(f"{code.shown}.csv", [COLUMNS, *lines])

    def _found(self, request: HttpRequest, object_id: str) -> PromoCode:
        code = self.get_object(request, object_id)
        if not isinstance(code, PromoCode):
            raise Http404
        return code

    def _shown(self, code: PromoCode) -> HttpResponse:
        return HttpResponseRedirect(reverse("staff:credits_promocode_change", args=[code.pk]))

    def _asked(self, request: HttpRequest, form: Any, code: PromoCode | None, **words: str) -> HttpResponseBase:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "original": code, "form": form, **words}
        return TemplateResponse(request, "staff/code_form.html", context, status=400 if form.errors else 200)


def register(site: admin.AdminSite) -> None:
    """Put codes on the site."""
    site.register(PromoCode, Codes)


def _staff(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
