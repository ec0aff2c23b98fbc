"""Images over the native API: upload, list, look, fetch the bytes, to the trash and back."""

from typing import Any, Literal

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router, Schema, Status

from gesso.api import asked, asking, paging, shapes
from gesso.api.generations import known_id
from gesso.api.keys import Request
from gesso.api.refusals import NOT_FOUND, Refusal
from gesso.api.shapes import ImageOut, ImagePage
from gesso.images import delivery, renditions, uploads
from gesso.images.models import Image
from gesso.library import search, trash

router = Router(tags=["images"])
_CONTENT = {
    200: {"description": "The bytes", "content": {f"image/{kind}": {} for kind in ("png", "jpeg", "webp")}},
    302: {"description": "Where the bucket gives the bytes, for 15 minutes"},
}


class ImageFilters(Schema):
    """What a list of images is narrowed to."""

    q: paging.Words = ""
    favourite: bool = False
    origin: Literal["", "upload", "output"] = ""
    trashed: bool = False
    cursor: paging.Cursor = ""
    limit: paging.Limit = 60


@router.post(
    "",
    response={201: ImageOut},
    openapi_extra={"requestBody": asking.upload()},
    operation_id="upload_image",
    summary="Upload a picture to use as a reference",
)
def upload(request: Request) -> Status[Any]:
    """Keep a picture: upright, without metadata, ready to be a reference."""
    request.auth.must("generate")
    values, files = asked.form(request, files=frozenset({"file"}))
    for name in values:
        raise Refusal(400, "unknown_field", f"{name[:60]} is not a field of an upload.", field=name[:60])
    sent = files.get("file", [])
    if len(sent) != 1:
        raise Refusal(400, "bad_file", "Send one picture as file.", field="file")
    row = uploads.store(request.auth.workspace, request.auth.user, sent[0].read(), sent[0].name or "")
    return Status(201, shapes.image(row))


@router.get("", response=ImagePage, operation_id="list_images", summary="List images, newest first")
def newest(request: Request, filters: Query[ImageFilters]) -> dict[str, Any]:
    """Return a page of the workspace's images; those in the trash are listed apart."""
    paging.only(request, ImageFilters)
    wanted = search.Filters(q=filters.q, favourite=filters.favourite, origin=filters.origin, trashed=filters.trashed)
    page = search.newest(request.auth.workspace.id, filters=wanted, cursor=filters.cursor, limit=filters.limit)
    return {"images": [shapes.image(row) for row in page.rows], "next_cursor": page.next_cursor or None}


@router.get("/{image_id}", response=ImageOut, operation_id="get_image", summary="Look at one image")
def metadata(request: Request, image_id: str) -> dict[str, Any]:
    """Return an image's metadata."""
    return shapes.image(_found(request, image_id))


@router.api_operation(
    ["GET", "HEAD"],
    "/{image_id}/content",
    openapi_extra={"responses": _CONTENT},
    operation_id="get_image_content",
    summary="Fetch the bytes",
)
def content(request: Request, image_id: str, variant: renditions.Variant = "original") -> HttpResponseBase:
    """Send the bytes: the original as it is, or clean (no metadata), preview (1280 px) or thumb (480 px).

    Where a bucket keeps the images, a GET is sent on to an address there that is good for 15 minutes.
    """
    return delivery.respond(request, _found(request, image_id), variant)


@router.delete("/{image_id}", response={204: None}, operation_id="trash_image", summary="Move to the trash")
def remove(request: Request, image_id: str) -> HttpResponse:
    """Move the image to the trash; it can be restored."""
    request.auth.must("generate")
    trash.move(request.auth.workspace.id, _found(request, image_id).id)
    return HttpResponse(status=204)


@router.post("/{image_id}/restore", response=ImageOut, operation_id="restore_image", summary="Restore from the trash")
def restore(request: Request, image_id: str) -> dict[str, Any]:
    """Put the image back."""
    request.auth.must("generate")
    trash.restore(request.auth.workspace.id, _found(request, image_id).id)
    return shapes.image(_found(request, image_id))


def _found(request: Request, image_id: str) -> Image:
    row = search.find(request.auth.workspace.id, known_id(image_id))
    if row is None:
        raise Refusal(NOT_FOUND.status, NOT_FOUND.code, NOT_FOUND.message)
    return row
