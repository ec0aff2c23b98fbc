"""The library: every image of the workspace on one wall, newest first, and the trash; marking, moving, putting back.

Filters are in the address, so Back works. The wall is drawn a page at a time; the next is asked for as its end comes
into sight, or by a link without JavaScript.
"""

import dataclasses
import datetime
import urllib.parse
import uuid
from collections.abc import Callable, Sequence

from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from gesso.accounts import workspaces
from gesso.images.models import Image
from gesso.library import favourites, search
from gesso.library import trash as bin_
from gesso.web import access, pictures

PAGE = 60  # images
ORIGINS = (("", "All"), (Image.Origin.OUTPUT, "Made"), (Image.Origin.UPLOAD, "Uploaded"))


@dataclasses.dataclass(frozen=True, slots=True)
class Day:
    """The images of one day. `continues`: the day began on the page before, and has its title there."""

    iso: str
    title: str
    pictures: list[pictures.Picture]
    continues: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """One filter as a link."""

    href: str
    name: str
    here: bool


@require_GET
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """The wall, or (asked by htmx with a cursor) its next part."""
    asked = request.GET
    origin = asked.get("origin", "")
    wanted = search.Filters(
        q=search.wanted_words(asked.get("q", "")),
        favourite="favourite" in asked,
        origin=origin if origin in Image.Origin.values else "",
    )
    return _wall(request, wanted, "/library")


@require_GET
@access.signed_in
def trash(request: access.Request) -> HttpResponse:
    """What was moved to the trash, to be put back."""
    return _wall(request, search.Filters(trashed=True), "/trash")


def _wall(request: access.Request, wanted: search.Filters, place: str) -> HttpResponse:
    cursor = request.GET.get("cursor", "")
    try:
        found = search.newest(request.workspace.id, filters=wanted, cursor=cursor, limit=PAGE)
    except search.BadCursor as bad:
        raise BadRequest(str(bad)) from bad
    context = {
        "days": _days(found.rows, request.GET.get("after", "")),
        "next": _next(place, wanted, found) if found.next_cursor else "",
        "trashed": wanted.trashed,
        "may_change": workspaces.can(request.membership, "generate"),
    }
    if request.htmx and cursor:
        return render(request, "library/_days.html", context)
    context |= {
        "q": wanted.q,
        "filtered": bool(wanted.q or wanted.favourite or wanted.origin),
        "first_page": not cursor,
        "favourite": wanted.favourite,
        "favourites_href": _address(place, dataclasses.replace(wanted, favourite=not wanted.favourite)),
        "origin": wanted.origin,
        "origins": [
            Choice(_address(place, dataclasses.replace(wanted, origin=value)), name, value == wanted.origin)
            for value, name in ORIGINS
        ],
    }
    return render(request, "library/page.html", context)


def _address(place: str, wanted: search.Filters, **more: str) -> str:
    known = {"q": wanted.q, "origin": wanted.origin, "favourite": "1" if wanted.favourite else "", **more}
    query = urllib.parse.urlencode({name: value for name, value in known.items() if value})
    return f"{place}?{query}" if query else place


def _next(place: str, wanted: search.Filters, found: search.Page) -> str:
    last = timezone.localdate(found.rows[-1].created_at).isoformat()
    return _address(place, wanted, cursor=found.next_cursor, after=last)


def _days(rows: Sequence[Image], after: str) -> list[Day]:
    """Return the rows by day in the instance's timezone. `after`: the day that the page before ended with."""
    days: list[Day] = []
    today = timezone.localdate()
    for row in rows:
        date = timezone.localdate(row.created_at)
        if not days or days[-1].iso != date.isoformat():
            days.append(Day(date.isoformat(), _title(date, today), [], date.isoformat() == after))
        days[-1].pictures.append(pictures.of(row))
    return days


def _title(date: datetime.date, today: datetime.date) -> str:
    if date == today:
        return "Today"
    if date == today - datetime.timedelta(days=1):
        return "Yesterday"
    return f"{date.day} {date:%B}" if date.year == today.year else f"{date.day} {date:%B %Y}"


@require_POST
@access.signed_in
def favourite(request: access.Request, image_id: uuid.UUID) -> HttpResponse:
    """Mark the image (`on=1`) or unmark it."""
    on = request.POST.get("on") == "1"
    return _change(request, lambda workspace_id: favourites.mark(workspace_id, image_id, favourite=on))


@require_POST
@access.signed_in
def move_to_trash(request: access.Request, image_id: uuid.UUID) -> HttpResponse:
    """Move the image to the trash; `restore` undoes it."""
    return _change(request, lambda workspace_id: bin_.move(workspace_id, image_id))


@require_POST
@access.signed_in
def restore(request: access.Request, image_id: uuid.UUID) -> HttpResponse:
    """Put the image back on the wall."""
    return _change(request, lambda workspace_id: bin_.restore(workspace_id, image_id))


def _change(request: access.Request, change: Callable[[uuid.UUID], bool]) -> HttpResponse:
    """Do it, then say so: 204 to a script, back to the page to a plain form."""
    if not workspaces.can(request.membership, "generate"):
        raise PermissionDenied
    if not change(request.workspace.id):
        raise Http404
    if request.htmx:
        return HttpResponse(status=204)
    back = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(back if ours else "/library")
