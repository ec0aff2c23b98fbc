"""Who may open a page: a signed-in person, in one workspace, with a role there.

Invariant: a view behind `signed_in` has `user`, `workspace` and `membership` on its request, and reads nothing outside
that workspace. What does not belong: what a role allows (`accounts.workspaces.can`).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django_htmx.middleware import HtmxDetails

from gesso.accounts import sessions, staff_entry, workspaces
from gesso.accounts.models import Membership, User, Workspace

P = ParamSpec("P")
CHOSEN = "workspace"  # the session's name for the workspace that a person switched to

Open = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class Request(HttpRequest):
    """A request of a signed-in person, as views behind `signed_in` see it."""

    user: User
    workspace: Workspace
    membership: Membership
    memberships: Sequence[Membership]  # of this person, the personal workspace's first
    htmx: HtmxDetails


Guarded = Callable[Concatenate[Request, P], HttpResponseBase]


def signed_in(view: "Guarded[P]") -> "Open[P]":
    """Let the view see signed-in people only; visitors sign in and come back.

    A form that was sent after the session had ended comes back to the page it stood on, for its address takes no GET.
    """

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        user = request.user
        if not isinstance(user, User):
            return _to_sign_in(request)
        sessions.note_use(request)
        ours = cast("Request", request)
        ours.memberships = workspaces.of(user)
        ours.membership = workspaces.pick(ours.memberships, request.session.get(CHOSEN))
        ours.workspace = ours.membership.workspace
        return view(ours, *args, **kwargs)

    return cast("Open[P]", guarded)  # functools.wraps keeps the request's name, which Callable can't say


def staff(view: "Guarded[P]") -> "Open[P]":
    """Let the view see staff only, once they have shown what they must; to everybody else there is no such page."""

    @functools.wraps(view)
    def guarded(request: Request, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_staff:
            raise Http404
        return staff_entry.detour(request) or view(request, *args, **kwargs)

    return signed_in(cast("Guarded[P]", guarded))


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(status=401)  # a script asked: it takes the whole page to the sign-in
    return redirect_to_login(sessions.way_back(request, "/studio"))
