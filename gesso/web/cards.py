"""What a generation's card says: plain strings made from rows, so that the template only places them.

Invariant: `of` asks the database nothing; whatever it needs is prefetched by `generations.queries`. One card is drawn
the same way by the page, the create answer, the poll and the stream; what it says depends on its strings alone.
"""

import dataclasses
import datetime
import functools
import html
from typing import cast

from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe

from gesso.core import catalog
from gesso.generations import failures, pricing
from gesso.generations.models import Generation, GenerationReference, Output
from gesso.images.models import Image
from gesso.web import wording

THUMB_SIDE, PREVIEW_SIDE = 480, 1280  # longest sides of the renditions, in pixels
ALT_LETTERS = 48
DRAWN_CARDS = 2_000  # of about 4 kB each are remembered
CARD_LETTERS = 400  # more than the two lines that a card shows
BLOCKED_CODES = frozenset({"moderation_blocked", "output_withheld"})
QUALITIES = {"low": "Low", "medium": "Medium", "high": "High"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One output. `state` is done, queued, waiting, preview, missing or withheld.

    `picture` holds the attributes of its `<img>`, escaped: one string instead of six for the template to place.
    """

    index: str
    state: str
    image_id: str = ""
    favourite: bool = False
    picture: SafeString | None = None
    title: str = ""
    note: str = ""
    caption: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One reference beside the tiles."""

    number: str
    src: str
    page: str
    alt: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The money line: a strong beginning, plain words, and what came back."""

    strong: str
    words: str = ""
    returned: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why nothing came: the reason, the money, and whether the same again makes sense."""

    sentence: str
    money: str
    tone: str
    retry: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Everything `_card.html` places. `prompt` is cut; `order` sorts; `state` is the word of a `.state` mark."""

    id: str
    url: str
    order: str
    in_hand: bool
    state: str
    state_words: str
    elapsed: str
    at: wording.Moment
    prompt: str
    ratio: str
    pixels: str
    quality: str
    count: str
    model: str
    references: tuple[Reference, ...]
    tiles: tuple[Tile, ...]
    small_tiles: bool
    receipt: Receipt
    problem: Problem | None
    again: str
    missing: str
    several: bool
    announcement: str


def of(generation: Generation, *, now: datetime.datetime, place: int = 0) -> Card:
    """Return the card of `generation`; its outputs, references and hold are prefetched. `place`: its place in line."""
    outputs = sorted(generation.outputs.all(), key=lambda output: output.index)
    delivered = sum(output.state == Output.State.DELIVERED for output in outputs)
    state, words = _state(generation, outputs, delivered, place)
    in_hand = generation.ended_at is None
    problem = _problem(generation, outputs, delivered)
    missing = generation.count - delivered
    return Card(
        id=str(generation.id),
        url=f"/generations/{generation.id}",
        order=f"{generation.created_at.timestamp():020.6f} {generation.id}",
        in_hand=in_hand,
        state=state,
        state_words=words,
        elapsed=_elapsed(generation, now),
        at=wording.moment(generation.created_at, now),
        prompt=wording.first_words(generation.prompt, CARD_LETTERS),
        ratio=generation.aspect_ratio,
        pixels=f"{generation.width} {wording.TIMES} {generation.height}",
        quality=QUALITIES[generation.quality],
        count=wording.plural(generation.count, "image"),
        model=model_name(generation.model),
        references=tuple(reference(row) for row in sorted(generation.references.all(), key=lambda row: row.position)),
        tiles=() if problem else tuple(_tile(generation, output) for output in outputs),
        small_tiles=generation.state == Generation.State.QUEUED and place > 1,  # who is next is as large as if begun
        receipt=receipt(generation, outputs, delivered),
        problem=problem,
        again=wording.plural(_price_now(generation, generation.count), "credit"),
        missing=_missing(generation, missing) if not in_hand and not problem and missing else "",
        several=delivered > 1,
        announcement=""
        if in_hand
        else f"{_announced(generation, delivered)}: {wording.first_words(generation.prompt, 40)}",
    )


@functools.lru_cache(maxsize=DRAWN_CARDS)
def draw(card: Card) -> SafeString:
    """Return the markup of `card`. A feed is mostly cards that were drawn before, so it is remembered."""
    return render_to_string("studio/_card.html", {"card": card, "sprite": static("gesso/icons.svg")})


def model_name(model_id: str) -> str:
    """Return the catalogue's name of a model, or its id when it has left the catalogue."""
    return next((model.name for model in catalog.current().models if model.id == model_id), model_id)


def _state(  # noqa: PLR0911 (a table: one line for each state)
    generation: Generation, outputs: list[Output], delivered: int, place: int
) -> tuple[str, str]:
    match generation.state:
        case Generation.State.QUEUED:
            return "queued", f"Waiting, {wording.ordinal(place)} in line" if place > 1 else "Waiting"
        case Generation.State.RUNNING:
            return "running", "Making"
        case Generation.State.CANCELED:
            return (
                "cancelled",
                f"Canceled, {delivered} of {generation.count} delivered" if delivered else "Canceled",
            )
        case Generation.State.FAILED:
            return ("blocked", "Blocked") if _blocked(generation) else ("failed", "Failed")
    if any(output.state == Output.State.WITHDRAWN for output in outputs) and not delivered:
        return "failed", "Withdrawn"
    if delivered < generation.count:
        return "partial", f"{delivered} of {generation.count} delivered"
    return "done", ""


def _blocked(generation: Generation) -> bool:
    return generation.failure_code in BLOCKED_CODES


def _elapsed(generation: Generation, now: datetime.datetime) -> str:
    if generation.state != Generation.State.RUNNING or generation.started_at is None:
        return ""
    return str(max(0, int((now - generation.started_at).total_seconds())))


def _missing(generation: Generation, missing: int) -> str:
    words = "the missing one" if missing == 1 else f"the missing {missing}"
    return f"Make {words} · {_price_now(generation, missing)}"


def _price_now(generation: Generation, count: int) -> int:
    """Return what `count` more would cost by the catalogue as it is now; what they did when the model has left it."""
    each = pricing.today(generation.model, cast("catalog.Quality", generation.quality))
    return count * (generation.price_each if each is None else each)


def _announced(generation: Generation, delivered: int) -> str:
    if delivered:
        return f"{delivered} of {wording.plural(generation.count, 'image')} delivered"
    if generation.state == Generation.State.CANCELED:
        return "Canceled, not charged"
    return f"{'Blocked' if _blocked(generation) else 'Failed'}, not charged"


def receipt(generation: Generation, outputs: list[Output], delivered: int) -> Receipt:
    """Return the money line: held while it is in hand, then what was charged and what came back."""
    if generation.ended_at is None:
        so_far = f", {delivered} of {generation.count} delivered so far" if delivered else ""
        return Receipt(strong=f"{wording.plural(generation.price, 'credit')} held", words=so_far)
    withdrawn = sum(output.state == Output.State.WITHDRAWN for output in outputs)
    charged = generation.hold.captured - withdrawn * generation.price_each
    back = generation.price - charged
    returned = f"{wording.plural(back, 'credit')} returned" if back else ""
    if not charged:
        return Receipt(strong="Not charged.", returned=returned)
    words = f" charged for {wording.plural(delivered, 'image')}" + (", " if returned else "")
    return Receipt(strong=wording.plural(charged, "credit"), words=words, returned=returned)


def _problem(generation: Generation, outputs: list[Output], delivered: int) -> Problem | None:
    """Return the reason, when a generation ended without a picture."""
    if generation.ended_at is None or delivered or any(output.image_id for output in outputs):
        return None
    back = (
        f"{wording.plural(generation.price, 'credit')} {'is' if generation.price == 1 else 'are'} back in your balance."
    )
    if generation.state == Generation.State.CANCELED:
        return Problem(sentence="Canceled before a picture was made.", money=back, tone="calm", retry=True)
    failure = failures.about(generation.failure_code)
    tone = "calm" if _blocked(generation) else "bad"
    return Problem(sentence=failure.sentence, money=back, tone=tone, retry=failure.retry)


def _tile(generation: Generation, output: Output) -> Tile:  # noqa: PLR0911 (a table: one line for each state)
    index = str(output.index)
    back = f"{wording.plural(generation.price_each, 'credit')} returned"
    match output.state:
        case Output.State.OPEN:
            return _open_tile(generation, output)
        case Output.State.FAILED if output.failure_code == "output_withheld":
            return Tile(index=index, state="withheld", title="Withheld", note="Content check. Not charged.")
        case Output.State.FAILED if generation.ended_at is None:
            return Tile(index=index, state="missing", title="Not delivered", note="Will not be charged")
        case Output.State.FAILED:
            title = "Canceled" if output.failure_code == "canceled" else "Not delivered"
            return Tile(index=index, state="missing", title=title, note=back)
        case Output.State.WITHDRAWN:
            return Tile(index=index, state="missing", title="Withdrawn, the file was broken", note=back)
    image = output.image
    assert image is not None, "a delivered output has its image"
    if image.verdict == Image.Verdict.WITHHELD:
        return Tile(index=index, state="withheld", title="Withheld", note="Content check.")
    if image.trashed_at:
        return Tile(index=index, state="missing", title="In the trash", note="It can be restored there.")
    drawn = picture(image, alt=_alt(generation, output), sizes=_sizes(generation))
    return Tile(
        index=index, state="done", image_id=str(image.id), picture=drawn, favourite=image.favourite_at is not None
    )


def _open_tile(generation: Generation, output: Output) -> Tile:
    index = str(output.index)
    if generation.state == Generation.State.QUEUED:
        return Tile(index=index, state="queued")
    if output.previews:
        src = preview_url(str(generation.id), output.index, output.previews)
        shown = _attributes(src=src, width=str(generation.width), height=str(generation.height), alt="")
        return Tile(index=index, state="preview", picture=shown, caption="Preview")
    return Tile(index=index, state="waiting", caption="Making")


def preview_url(generation_id: str, index: int, number: int) -> str:
    """Return where a partial picture is served to its workspace; `number` makes the address of each a new one."""
    return f"/generations/{generation_id}/previews/{index}?n={number}"


def _alt(generation: Generation, output: Output) -> str:
    words = wording.first_words(generation.prompt, ALT_LETTERS)
    return words if generation.count == 1 else f"{words} ({output.index + 1} of {generation.count})"


def _sizes(generation: Generation) -> str:
    """Say how wide a tile is drawn; four share the column and are small enough for a thumbnail."""
    if generation.count > 2:
        return ""
    wide = min(1100 // generation.count, round(generation.width / generation.height * 352))
    return f"(max-width: 40rem) {100 // generation.count}vw, {wide}px"


def picture(image: Image, *, alt: str, sizes: str = "") -> SafeString:
    """Return the attributes of a delivered picture's `<img>`; with `sizes` both renditions are offered."""
    file = f"/images/{image.id}/file?variant"
    longest = max(image.width, image.height)
    thumb, preview = (max(1, image.width * min(side, longest) // longest) for side in (THUMB_SIDE, PREVIEW_SIDE))
    choices = {"srcset": f"{file}=thumb {thumb}w, {file}=preview {preview}w", "sizes": sizes}
    return _attributes(
        src=f"{file}=thumb",
        **(choices if sizes and preview > thumb else {}),
        width=str(image.width),
        height=str(image.height),
        alt=alt,
    )


def _attributes(**values: str) -> SafeString:
    """Return HTML attributes with every value escaped."""
    return mark_safe(" ".join(f'{name}="{html.escape(value)}"' for name, value in values.items()))  # noqa: S308 (escaped)


def reference(row: GenerationReference) -> Reference:
    """Return one reference of a generation for its card."""
    role = f", {row.role}" if row.role else ""
    return Reference(
        number=str(row.position + 1), src=f"/images/{row.image_id}/file?variant=thumb", page=f"/images/{row.image_id}",
        alt=f"Reference {row.position + 1}{role}",
    )  # fmt: skip
