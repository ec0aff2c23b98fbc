"""The bytes of images and of previews, for the session's own workspace. Whoever asks for another's gets 404."""

import uuid

from django.http import Http404, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from gesso.generations import queries
from gesso.images import decoding, delivery, renditions, storage
from gesso.library import search
from gesso.web import access


@require_safe
@access.signed_in
def serve(request: access.Request, image_id: uuid.UUID) -> HttpResponseBase:
    """Send `?variant=` of an image (the original by default); `download` gives it a name to be saved under."""
    variant = request.GET.get("variant", "original")
    image = search.find(request.workspace.id, image_id)
    if image is None or variant not in renditions.VARIANTS:
        raise Http404
    try:
        if renditions.under_way(image, variant):
            # The original stands in for a moment: the picture is seen at once, and nobody decodes it twice.
            response = delivery.respond(request, image, "original")
            response["Cache-Control"] = "no-store"
            return response
        return delivery.respond(request, image, variant, download="download" in request.GET)
    except storage.Missing:
        raise Http404 from None
    except (storage.Unavailable, decoding.Unavailable):
        return _away()


@require_safe
@access.signed_in
def preview(request: access.Request, generation_id: uuid.UUID, index: int) -> HttpResponse:
    """Send the newest partial picture of an output that is being made; nothing (204) when it is done or not begun."""
    found = queries.find(request.workspace.id, generation_id)
    if found is None:
        raise Http404
    key = queries.preview(found, index)
    try:
        data = storage.current().get(key) if key else b""
    except storage.Missing:
        data = b""
    except storage.Unavailable:
        return _away()
    if not data:
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})  # the picture itself has just come
    return HttpResponse(data, content_type="image/webp", headers={"Cache-Control": "no-store"})


def _away() -> HttpResponse:
    return HttpResponse(
        "The image can't be reached just now.\n",
        status=503,
        content_type="text/plain",
        headers={"Retry-After": "5"},
    )
