"""One image in full: looking closely, its filmstrip, prompt, settings, price, papers, and its files.

Everything is read through the workspace; another's image is 404, the same as none. Marking and the trash are in
`library`.
"""

import dataclasses
import uuid

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from gesso.accounts import workspaces
from gesso.generations.models import Generation
from gesso.images.models import Image
from gesso.library import lineage, search
from gesso.web import access, cards, pictures, references, wording

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WebP"}
BACKGROUNDS = {"auto": "Model decides", "opaque": "Opaque", "transparent": "Transparent"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One picture of the filmstrip or of the papers. `here`: the one that is looked at."""

    page: str
    src: str
    alt: str
    words: str
    note: str
    width: str
    height: str
    here: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything the page places."""

    picture: pictures.Picture
    title: str
    prompt: str
    preview: str
    original: str
    clean: str
    kind: str
    pixels: str
    size: str
    made_by: str
    at: wording.Moment
    settings: list[tuple[str, str]]
    receipt: list[tuple[str, str]]
    paid: str
    generation: str
    references: list[Node]
    siblings: list[Node]
    children: list[Node]
    newer: str
    older: str
    trashed: bool


@require_GET
@access.signed_in
def page(request: access.Request, image_id: uuid.UUID) -> HttpResponse:
    """The viewer."""
    image = search.find(request.workspace.id, image_id)
    if image is None:
        raise Http404
    context = {"view": _view(image), "may_change": workspaces.can(request.membership, "generate")}
    return render(request, "viewer/page.html", context)


def _view(image: Image) -> View:
    papers = lineage.papers(image)
    newer, older = search.neighbours(image)
    made = papers.generation
    picture = pictures.of(image)
    file = f"{picture.page}/file"
    return View(
        picture=picture,
        title=picture.alt,
        prompt=made.prompt if made else "",
        preview=f"{file}?variant=preview",
        original=file,
        clean=f"{file}?variant=clean&download=1",
        kind=FORMATS[image.media_type],
        pixels=_pixels(image),
        size=_size(image.bytes),
        made_by=_person(made) if made else "",
        at=wording.moment(image.created_at, timezone.now()),
        settings=_settings(made) if made else [],
        receipt=_receipt(made, len(papers.siblings)) if made else [],
        paid=wording.plural(made.price_each, "credit") if made else "",
        generation=f"/generations/{made.id}" if made else "",
        references=[
            _node(row.image, words=f"Reference {row.position + 1}", note=references.ROLES.get(row.role, ""))
            for row in papers.references
        ],
        siblings=[_sibling(row, image, place, papers.siblings) for place, row in enumerate(papers.siblings, start=1)],
        children=[_child(child) for child in papers.children],
        newer=f"/images/{newer}" if newer else "",
        older=f"/images/{older}" if older else "",
        trashed=image.trashed_at is not None,
    )


def _pixels(image: Image) -> str:
    return f"{image.width} {wording.TIMES} {image.height}"


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{max(1, round(count / 1000))} kB"


def _person(made: Generation) -> str:
    return (made.member.name or made.member.email) if made.member else "Someone who left"


def _settings(made: Generation) -> list[tuple[str, str]]:
    return [
        ("Shape", made.aspect_ratio),
        ("Asked for", f"{made.width} {wording.TIMES} {made.height}"),
        ("Quality", cards.QUALITIES[made.quality]),
        ("Background", BACKGROUNDS.get(made.background, made.background)),
        ("Model", cards.model_name(made.model)),
    ]


def _receipt(made: Generation, delivered: int) -> list[tuple[str, str]]:
    lines = [(f"Quoted, {wording.plural(made.count, 'image')}", str(made.price))]
    if made.ended_at is None:
        return [*lines, ("Still being made", "")]
    charged = made.price_each * delivered
    lines.append((f"Delivered, {wording.plural(delivered, 'image')}", str(charged)))
    if made.price > charged:
        lines.append(("Returned", str(made.price - charged)))
    return lines


def _node(image: Image, *, words: str, note: str, here: bool = False) -> Node:
    return Node(
        page=f"/images/{image.id}", src=f"/images/{image.id}/file?variant=thumb", alt=pictures.described(image),
        words=words, note=note, width=str(image.width), height=str(image.height), here=here,
    )  # fmt: skip


def _sibling(row: Image, image: Image, place: int, siblings: list[Image]) -> Node:
    return _node(row, words=f"Image {place} of {len(siblings)}", note="", here=row.id == image.id)


def _child(child: lineage.Child) -> Node:
    many = wording.plural(len(child.images), "image")
    return _node(child.images[0], words=wording.first_words(child.generation.prompt, 60), note=f"Made from it, {many}")
