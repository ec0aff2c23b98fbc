"""A generation's own page: what happened, in plain words with times, its receipt, its settings, and how to get help.

The lines are the append-only events, read by `event_words`. What a provider said raw is never shown.
"""

import dataclasses
import urllib.parse
import uuid

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from gesso.core import ids
from gesso.generations import queries
from gesso.generations.models import Attempt, Generation, GenerationEvent, Output
from gesso.web import access, cards, event_words, wording

SETTLED = frozenset({"done", "missing", "withheld"})  # the tiles that say what became of an image


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the timeline; `tone` is good, warn, bad or empty."""

    at: wording.Moment
    title: str
    words: str
    tone: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt at the image service, as its owner may know it."""

    output: str
    number: str
    state: str
    sent: wording.Moment
    took: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One line of the receipt."""

    name: str
    credits: str
    total: bool = False
    plus: bool = False


@require_GET
@access.signed_in
def page(request: access.Request, generation_id: uuid.UUID) -> HttpResponse:
    """What happened to one generation of the workspace."""
    generation = queries.find(request.workspace.id, generation_id)
    if generation is None:
        raise Http404
    place = queries.place_in_line(generation) if generation.state == Generation.State.QUEUED else 0
    card = cards.of(generation, now=timezone.now(), place=place)
    context = {
        "card": card,
        "title": wording.first_words(generation.prompt),
        "heading": _heading(generation, card),
        "finished": _finished(generation),
        "lines": [_line(generation, event) for event in queries.events(generation)],
        "tries": [_try(attempt) for attempt in queries.attempts(generation)],
        "receipt": _receipt(generation),
        "tiles": [tile for tile in card.tiles if tile.state in SETTLED],
        "prompt": generation.prompt,
        "background": generation.background,
        "format": generation.format.upper(),
        "again_id": ids.uuid7(),
        "mail": mail(generation, request.user.email, request.workspace.name),
    }
    return render(request, "generation/page.html", context)


def _heading(generation: Generation, card: cards.Card) -> str:
    if card.state == "done":
        return f"{wording.plural(generation.count, 'image')} delivered"
    if card.state == "partial":
        return f"{card.state_words.removesuffix(' delivered')} images delivered"
    return card.state_words


def _finished(generation: Generation) -> str:
    if generation.ended_at is None:
        return ""
    return f"Ended after {wording.duration((generation.ended_at - generation.created_at).total_seconds())}"


def _line(generation: Generation, event: GenerationEvent) -> Line:
    reading = event_words.read(generation, event.kind, event.data)
    return Line(at=wording.clock(event.at), title=reading.title, words=reading.words, tone=reading.tone)


def _try(attempt: Attempt) -> Try:
    took = wording.duration((attempt.ended_at - attempt.sent_at).total_seconds()) if attempt.ended_at else ""
    words = {"sending": "Waiting for the answer", "accepted": "Accepted", "finished": "Brought a picture"}
    state = words.get(attempt.state, event_words.reason(attempt.failure_kind))
    return Try(
        output=f"Image {attempt.output.index + 1}", number=str(attempt.number), state=state,
        sent=wording.clock(attempt.sent_at), took=took,
    )  # fmt: skip


def _receipt(generation: Generation) -> list[Sum]:
    """Return the whole way of the credits: quoted, then held or charged and returned."""
    quoted = Sum(
        name=f"Quoted, {generation.count} {wording.TIMES} {generation.price_each}", credits=str(generation.price)
    )
    if generation.ended_at is None:
        return [quoted, Sum(name="Held", credits=wording.plural(generation.price, "credit"), total=True)]
    outputs = list(generation.outputs.all())
    kept = sum(output.state == Output.State.DELIVERED for output in outputs)
    withdrawn = sum(output.state == Output.State.WITHDRAWN for output in outputs)
    each = generation.price_each
    lines = [
        quoted,
        Sum(name=f"Delivered, {kept + withdrawn} {wording.TIMES} {each}", credits=str(generation.hold.captured)),
    ]
    if generation.hold.released:
        lines.append(Sum(name="Returned", credits=str(generation.hold.released), plus=True))
    if withdrawn:
        lines.append(Sum(name=f"Returned, {withdrawn} withdrawn", credits=str(withdrawn * each), plus=True))
    paid = generation.hold.captured - withdrawn * each
    return [*lines, Sum(name="You paid", credits=wording.plural(paid, "credit"), total=True)]


def mail(generation: Generation, email: str, workspace: str) -> str:
    """Return the address of a mail to support that carries the ids by itself; empty when none is configured."""
    address = settings.GESSO.support_email
    if not address:
        return ""
    body = f"What is wrong:\n\n\nGeneration: {generation.id}\nAccount: {email}\nWorkspace: {workspace}\n"
    words = urllib.parse.urlencode(
        {"subject": f"Generation {generation.id}", "body": body}, quote_via=urllib.parse.quote
    )
    return f"mailto:{urllib.parse.quote(address, safe='@')}?{words}"
