"""References: the chips of the composer's tray, files that become one, and the pictures to choose from.

A file goes up at once and is proved by `images.uploads`; what is refused comes back as one sentence and leaves nothing.
"""

import dataclasses
import urllib.parse
import uuid
from collections.abc import Sequence

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_http_methods

from gesso.accounts import workspaces
from gesso.core import catalog, ids
from gesso.images import decoding, intake, storage, uploads
from gesso.library import search
from gesso.web import access, fragments, pictures

ROLES = {"subject": "Subject", "style": "Style", "layout": "Layout", "product": "Product"}
OFFERED = 60  # pictures at a time in the dialog


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One reference in the tray; `value` is what the form sends for it."""

    id: str
    value: str
    number: str
    role: str
    role_words: str
    src: str


def read(text: str) -> tuple[str, str]:
    """Return (image id, role) of `<image id>:<role>`, unchecked."""
    image_id, _, role = text.partition(":")
    return image_id, role


def chips(workspace_id: uuid.UUID, wanted: Sequence[tuple[str, str]]) -> tuple[Chip, ...]:
    """Return the chips of those (image id, role) that are images of the workspace, in their order (one query)."""
    known = [(number, role if role in ROLES else "") for image_id, role in wanted if (number := ids.parse(image_id))]
    if not known:
        return ()
    there = set(
        search.visible(workspace_id).filter(id__in=[number for number, _ in known]).values_list("id", flat=True)
    )
    fitting = [each for each in known if each[0] in there]
    return tuple(_chip(number, role, place) for place, (number, role) in enumerate(fitting, start=1))


def _chip(image_id: uuid.UUID, role: str, place: int) -> Chip:
    return Chip(
        id=str(image_id), value=f"{image_id}:{role}", number=str(place), role=role, role_words=ROLES.get(role, ""),
        src=f"/images/{image_id}/file?variant=thumb",
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@access.signed_in
def tray(request: access.Request) -> HttpResponse:
    """POST a `file`: 201 and its chip, or a sentence. GET `reference=<id>:<role>`: the chips of stored images."""
    if request.method == "POST":
        return _upload(request)
    most = catalog.current().limits.references
    wanted = [read(text) for text in request.GET.getlist("reference")[:most]]
    return fragments.draw(request, "studio/_chips.html", {"chips": chips(request.workspace.id, wanted)})


def _upload(request: access.Request) -> HttpResponse:
    if not workspaces.can(request.membership, "generate"):
        return _refused(request, "You can look at this workspace, but not add pictures to it.", 403)
    file = request.FILES.get("file")
    if file is None:
        return _refused(request, "Choose a picture first.", 422)
    limit = catalog.current().limits.reference_bytes
    if (file.size or 0) > limit:
        return _refused(request, f"The file is larger than {limit // 1_000_000} MB.", 413)
    try:
        image = uploads.store(request.workspace, request.user, file.read(), file.name or "")
    except (intake.Refused, uploads.QuotaExceeded) as refusal:
        return _refused(request, str(refusal), 429 if isinstance(refusal, uploads.QuotaExceeded) else 422)
    except (storage.Unavailable, decoding.Unavailable):
        return _refused(request, "The picture could not be opened or stored just now. Try again in a minute.", 503)
    return fragments.draw(request, "studio/_chips.html", {"chips": [_chip(image.id, "", 1)]}, status=201)


def _refused(request: access.Request, sentence: str, status: int) -> HttpResponse:
    return fragments.draw(request, "studio/_refused.html", {"sentence": sentence}, status=status)


@require_GET
@access.signed_in
def picker(request: access.Request) -> HttpResponse:
    """Pictures of the library for the dialog, newest first, `q` in their words; with a `cursor` the next of them."""
    words, cursor = search.wanted_words(request.GET.get("q", "")), request.GET.get("cursor", "")
    try:
        found = search.newest(request.workspace.id, filters=search.Filters(q=words), cursor=cursor, limit=OFFERED)
    except search.BadCursor as bad:
        raise BadRequest(str(bad)) from bad
    context = {
        "pictures": [pictures.of(row) for row in found.rows],
        "next": urllib.parse.urlencode({"q": words, "cursor": found.next_cursor}) if found.next_cursor else "",
        "q": words,
    }
    return fragments.draw(request, "studio/_picks.html" if cursor else "studio/_picker.html", context)
