"""What the native API answers with: the shapes in the OpenAPI document, and how our rows become them.

Fields are named one by one, so that nothing of a row gets out by accident: a provider's raw words, for one, are for
staff. An image that is withheld or broken is never shown.
"""

import datetime
import uuid
from typing import Any, Literal

from ninja import Field, Schema

from gesso.credits import queries as credit_queries
from gesso.generations import failures
from gesso.generations.models import Generation, GenerationEvent, Output
from gesso.images.models import Image

State = Literal["queued", "running", "succeeded", "failed", "canceled"]


class ErrorWords(Schema):
    code: str = Field(description="Stable; what to act on.")
    message: str = Field(description="A sentence for a person.")
    field: str | None = Field(None, description="Which field, header or parameter is meant, if one is.")
    request_id: str


class Error(Schema):
    error: ErrorWords


class ImageOut(Schema):
    id: uuid.UUID
    origin: Literal["upload", "output"]
    width: int
    height: int
    media_type: str
    bytes: int
    sha256: str = Field(description="Hexadecimal, of the original's bytes.")
    label: str
    favourite: bool
    created_at: datetime.datetime
    trashed_at: datetime.datetime | None
    content: str = Field(description="Path of the bytes; add ?variant=original, clean, preview or thumb.")


class ImagePage(Schema):
    images: list[ImageOut]
    next_cursor: str | None


class OutputOut(Schema):
    index: int
    state: Literal["open", "delivered", "failed", "withdrawn"]
    failure_code: str | None
    image: ImageOut | None


class ReferenceOut(Schema):
    image_id: uuid.UUID
    role: str


class EventOut(Schema):
    at: datetime.datetime
    kind: str
    index: int | None = Field(description="The output it is about, if one.")
    code: str | None


class GenerationOut(Schema):
    id: uuid.UUID
    state: State
    failure_code: str | None
    failure: str | None = Field(description="Why it brought nothing, as a sentence.")
    prompt: str
    model: str
    aspect_ratio: str
    width: int
    height: int
    quality: str
    count: int
    background: str
    format: str
    references: list[ReferenceOut]
    outputs: list[OutputOut]
    price: int = Field(description="The whole quote in credits, held at submit.")
    charged: int = Field(description="Credits paid for what was delivered; 0 until the end.")
    released: int = Field(description="Credits of the price that came back; 0 until the end.")
    parent_id: uuid.UUID | None = Field(description="The generation that this one retries.")
    created_at: datetime.datetime
    started_at: datetime.datetime | None
    ended_at: datetime.datetime | None


class GenerationWhole(GenerationOut):
    events: list[EventOut]


class GenerationPage(Schema):
    generations: list[GenerationOut]
    next_cursor: str | None


class GrantOut(Schema):
    source: str
    available: int
    held: int
    expires_at: datetime.datetime | None


class CreditsOut(Schema):
    available: int
    held: int
    debt: int
    grants: list[GrantOut] = Field(description="In the order in which they are spent.")


class EntryOut(Schema):
    id: int
    at: datetime.datetime
    kind: str
    source: str
    amount: int = Field(description="As seen from what can be spent: negative when it was held or taken.")
    balance_after: int
    generation_id: uuid.UUID | None
    reason: str


class EntryPage(Schema):
    entries: list[EntryOut]
    next_cursor: str | None


def image(row: Image) -> dict[str, Any]:
    """Return an image's metadata."""
    return {
        "id": row.id, "origin": row.origin, "width": row.width, "height": row.height, "media_type": row.media_type,
        "bytes": row.bytes, "sha256": bytes(row.sha256).hex(), "label": row.label,
        "favourite": row.favourite_at is not None, "created_at": row.created_at, "trashed_at": row.trashed_at,
        "content": f"/api/images/{row.id}/content",
    }  # fmt: skip


def generation(row: Generation) -> dict[str, Any]:
    """Return a generation that was read with its outputs, references and hold (`queries.find`, `queries.newest`)."""
    paid = charged(row)
    return {
        "id": row.id, "state": row.state, "failure_code": row.failure_code or None,
        "failure": failures.sentence(row.failure_code) if row.failure_code else None, "prompt": row.prompt,
        "model": row.model, "aspect_ratio": row.aspect_ratio, "width": row.width, "height": row.height,
        "quality": row.quality, "count": row.count, "background": row.background, "format": row.format,
        "references": [{"image_id": each.image_id, "role": each.role} for each in row.references.all()],
        "outputs": [_output(each) for each in row.outputs.all()], "price": row.price, "charged": paid,
        "released": row.price - paid if row.ended_at else 0, "parent_id": row.parent_id, "created_at": row.created_at,
        "started_at": row.started_at, "ended_at": row.ended_at,
    }  # fmt: skip


def charged(row: Generation) -> int:
    """Return the credits paid for a generation: captured at its end, less what was given back since."""
    withdrawn = sum(each.state == Output.State.WITHDRAWN for each in row.outputs.all())
    return row.hold.captured - withdrawn * row.price_each if row.ended_at else 0


def shown(output: Output) -> Image | None:
    """Return the image that an output shows, if it does."""
    found = output.image if output.state == Output.State.DELIVERED else None
    return found if found and found.verdict == Image.Verdict.ALLOWED and found.broken_at is None else None


def event(row: GenerationEvent) -> dict[str, Any]:
    """Return one line of a timeline."""
    index, code = row.data.get("index"), row.data.get("code")
    return {"at": row.at, "kind": row.kind, "index": index, "code": code or None}


def credits(balance: credit_queries.Balance) -> dict[str, Any]:  # noqa: A001 (the word list's own; the site's built-in is not one)
    """Return a balance with its grants."""
    grants = [
        {"source": line.source, "available": line.available, "held": line.held, "expires_at": line.expires_at}
        for line in balance.grants
    ]
    return {"available": balance.available, "held": balance.held, "debt": balance.debt, "grants": grants}


def _output(row: Output) -> dict[str, Any]:
    picture = shown(row)
    return {
        "index": row.index, "state": row.state, "failure_code": row.failure_code or None,
        "image": image(picture) if picture else None,
    }  # fmt: skip
