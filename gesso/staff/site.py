"""The door of the staff console: Django's admin behind our own sign-in, for staff only.

Invariant: a visitor is sent to sign in, anybody else who is not staff finds nothing here, and staff show what
`accounts.staff_entry` asks for. There is no password form and no sign-out of the admin's own: there is one place for
each, in the account pages.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver

from gesso.accounts import sessions, staff_entry

ELSEWHERE = frozenset({"password_change", "password_change_done", "logout"})


class Staff(admin.AdminSite):
    """The admin as the staff console."""

    site_header = "Gesso staff"
    site_title = "Gesso staff"
    index_title = "Look up"
    site_url = "/studio"
    index_template = "staff/index.html"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Let the view see staff only."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not self.has_permission(request):
                return self.login(request)
            response: HttpResponseBase = staff_entry.detour(request) or inner(request, *args, **kwargs)
            return response

        return guarded

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002 (the admin's)
        """Send a visitor to the sign-in page and back; to everybody else who is not staff there is nothing here."""
        if request.user.is_authenticated:
            raise Http404
        return redirect_to_login(sessions.way_back(request, "/staff/"))

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Return the admin's addresses without those that have their place in the account pages."""
        return [entry for entry in super().get_urls() if getattr(entry, "name", None) not in ELSEWHERE]


site = Staff(name="staff")
