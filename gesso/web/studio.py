"""The studio: the composer beside the feed, the answers to what is sent from them, and one card by itself.

Each view parses, makes one call into `generations`, and draws. A page that sends with JavaScript gets fragments;
without it, a redirect, or the whole page again with a sentence beside what is wrong.
"""

import dataclasses
import uuid
from collections.abc import Sequence

from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from gesso.accounts import workspaces
from gesso.core import catalog, ids
from gesso.credits import allowances, ledger
from gesso.generations import approvals, lifecycle, member_caps, queries, spec, submission
from gesso.generations.models import Generation
from gesso.web import access, cards, composer, fragments
from gesso.web import credits as credit_pages

PAGE = 24  # cards
MAY_NOT = "You can look at this workspace, but not generate in it."


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a submission was not taken: the status, a sentence for the whole, or mistakes beside their fields."""

    status: int
    sentence: str = ""
    mistakes: Sequence[spec.Mistake] = ()
    retry_after: int = 0
    asked: bool = False  # an admin of the team decides about it: nothing is wrong


@require_http_methods(["GET", "POST"])
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """The studio, or (POST) what its form asks for. `?from=` fills the composer, `?reference=` adds a picture to it."""
    if request.method == "POST":
        return _create(request)
    if not catalog.usable_models():
        return render(request, "studio/page.html", _feed(request, request.GET.get("cursor", "")))
    earlier = _earlier(request)
    entered = composer.of_generation(earlier) if earlier else composer.fresh()
    added = request.GET.get("reference", "")
    return _page(request, entered, filled=earlier is not None, add=added if ids.parse(added) else "")


def _earlier(request: access.Request) -> Generation | None:
    """Return the generation whose prompt, settings and references `?from=` asks for."""
    if "from" not in request.GET:
        return None
    wanted = ids.parse(request.GET["from"])
    found = queries.find(request.workspace.id, wanted) if wanted else None
    if found is None:
        raise Http404
    return found


def _page(
    request: access.Request,
    entered: composer.Entered,
    *,
    refusal: Refusal | None = None,
    filled: bool = False,
    add: str = "",
) -> HttpResponse:
    allowances.ensure(request.workspace)
    balance = credit_pages.balance(request.workspace.id)
    form = composer.prepare(
        entered, request.workspace.id, balance.available, filled=filled or refusal is not None, add=add,
        mistakes=refusal.mistakes if refusal else (), refusal=refusal.sentence if refusal else "",
    )  # fmt: skip
    context = _feed(request, request.GET.get("cursor", "")) | {
        "composer": form,
        "balance": balance,
        "examples": composer.EXAMPLES,
        **_tone(refusal),
    }
    return render(request, "studio/page.html", context, status=refusal.status if refusal else 200)


def _create(request: access.Request) -> HttpResponse:
    entered = composer.read(request.POST)
    made = _submit(request, entered)
    if isinstance(made, Refusal):
        response = _answer(request, [], made) if request.htmx else _page(request, entered, refusal=made)
        if made.retry_after:
            response["Retry-After"] = str(made.retry_after)
        return response
    return _answer(request, made) if request.htmx else redirect("studio")


def _submit(request: access.Request, entered: composer.Entered) -> list[Generation] | Refusal:
    """Submit what was entered, or return why it was not taken; nothing has moved then."""
    if not workspaces.can(request.membership, "generate"):
        return Refusal(403, MAY_NOT)
    if request.POST.get("workspace", str(request.workspace.id)) != str(request.workspace.id):
        words = f"You went to {request.workspace.name} meanwhile. Load this page again before you generate."
        return Refusal(409, words)
    try:
        wanted = composer.specs(entered)
        numbers = composer.new_ids(request.POST, len(wanted))
        return submission.submit(request.workspace, request.user, wanted, generation_ids=numbers)
    except submission.NeedsApproval as refused:
        return _ask(request, refused)
    except REFUSALS as refused:
        return refusal_of(refused)


def _ask(request: access.Request, refused: submission.NeedsApproval) -> Refusal:
    """Let an admin of the team decide; nothing is held until then."""
    try:
        approvals.ask(request.workspace, request.user, refused)
    except REFUSALS as more:
        return refusal_of(more)
    words = f"This needs {refused.total:,} credits, more than {refused.above:,}, so it waits for an admin of the team."
    return Refusal(202, f"{words} Nothing is held.", asked=True)


REFUSALS = (
    spec.BadSpec, submission.Blocked, submission.Suspended, submission.Overloaded, submission.IdTaken,
    lifecycle.NothingMissing, ledger.InsufficientCredits, ledger.InDebt, member_caps.OverAllowance, approvals.TooMany,
)  # fmt: skip


def refusal_of(refused: Exception) -> Refusal:  # noqa: PLR0911 (a table: one line for each refusal)
    """Return what to say about an exception of REFUSALS."""
    match refused:
        case spec.BadSpec():
            return Refusal(422, mistakes=refused.mistakes)
        case submission.Blocked():
            return Refusal(422, mistakes=[spec.Mistake("prompt", "moderation_blocked", f"{refused} Nothing was held.")])
        case ledger.InsufficientCredits():
            return Refusal(402, composer.shortfall(refused.needed, refused.available))
        case ledger.InDebt():
            words = "credits are owed after a payment was taken back. The next pack or month of a plan pays them first."
            return Refusal(402, f"{refused.debt:,} {words}")
        case submission.IdTaken():
            return Refusal(409, "This was already sent. Generate sends it again as a new one.")
        case lifecycle.NothingMissing():
            return Refusal(409, str(refused))
        case submission.Overloaded():
            return Refusal(503, str(refused), retry_after=refused.retry_after)
    return Refusal(403, str(refused))


def _answer(request: access.Request, made: Sequence[Generation], refusal: Refusal | None = None) -> HttpResponse:
    """Draw what changed: the new cards, and a sentence beside each mistake (or its absence)."""
    mistakes = refusal.mistakes if refusal else ()
    whole = [queries.whole(row) for row in made]
    context = {
        "cards": [cards.draw(card) for card in _cards(whole)],
        "mistakes": composer.sentences(mistakes),
        "refusal": composer.refusal_words(mistakes, refusal.sentence if refusal else ""),
        **_tone(refusal),
    }
    return fragments.draw(request, "studio/_answer.html", context, status=refusal.status if refusal else 200)


def _tone(refusal: Refusal | None) -> dict[str, object]:
    return {"asked": True, "refusal_tone": "info"} if refusal and refusal.asked else {}


@require_GET
@access.signed_in
def feed(request: access.Request) -> HttpResponse:
    """The newest cards, or those after `cursor`, as a fragment; without JavaScript the whole page begins there."""
    if not request.htmx:
        return redirect(f"/studio?cursor={request.GET.get('cursor', '')}")
    return fragments.draw(request, "studio/_feed.html", _feed(request, request.GET.get("cursor", "")))


def _feed(request: access.Request, cursor: str) -> dict[str, object]:
    try:
        found = queries.newest(request.workspace.id, cursor=cursor, limit=PAGE)
    except queries.BadCursor as bad:
        raise BadRequest(str(bad)) from bad
    shown = _cards(found.rows)
    return {
        "cards": [cards.draw(card) for card in shown],
        "next_cursor": found.next_cursor,
        "first_page": not cursor,
        "in_hand": _in_hand(shown),
        "again_id": ids.uuid7(),
    }


def _in_hand(shown: Sequence[cards.Card]) -> str:
    """Say how many are made and how many wait."""
    running = sum(card.state == "running" for card in shown)
    waiting = sum(card.state == "queued" for card in shown)
    return ", ".join([f"{running} running"] * bool(running) + [f"{waiting} waiting"] * bool(waiting))


def _cards(rows: Sequence[Generation]) -> list[cards.Card]:
    """Return the cards of `rows` (newest first). One query finds the place in line of all that wait.

    Between two waiting rows of one page no waiting row is missing, so their places follow each other.
    """
    now = timezone.now()
    waiting = [row for row in reversed(rows) if row.state == Generation.State.QUEUED]
    first = queries.place_in_line(waiting[0]) if waiting else 0
    places = {row.id: first + step for step, row in enumerate(waiting)}
    return [cards.of(row, now=now, place=places.get(row.id, 0)) for row in rows]


@require_GET
@access.signed_in
def card(request: access.Request, generation_id: uuid.UUID) -> HttpResponse:
    """One card, as the poll and the stream ask for it."""
    return _card(request, generation_id)


def _card(request: access.Request, generation_id: uuid.UUID) -> HttpResponse:
    found = queries.find(request.workspace.id, generation_id)
    if found is None:
        raise Http404
    return fragments.mark(HttpResponse(cards.draw(_cards([found])[0])))


@require_POST
@access.signed_in
def cancel(request: access.Request, generation_id: uuid.UUID) -> HttpResponse:
    """End a generation now. One that has ended meanwhile is simply drawn as it is."""
    if not workspaces.can(request.membership, "generate"):
        return _answer(request, [], Refusal(403, MAY_NOT))
    try:
        lifecycle.cancel(request.workspace, generation_id, request.user)
    except lifecycle.NoSuchGeneration:
        raise Http404 from None
    except lifecycle.AlreadyEnded:
        pass
    return _card(request, generation_id) if request.htmx else _back(request)


@require_POST
@access.signed_in
def retry(request: access.Request, generation_id: uuid.UUID) -> HttpResponse:
    """Make a generation again, or (`missing`) only what was not delivered; `id` is the new one's, made by the page."""
    made: list[Generation] | Refusal
    if not workspaces.can(request.membership, "generate"):
        made = Refusal(403, MAY_NOT)
    else:
        try:
            again = lifecycle.retry(
                request.workspace, request.user, generation_id, new_id=ids.parse(request.POST.get("id", "")),
                only_missing="missing" in request.POST,
            )  # fmt: skip
            made = [again]
        except lifecycle.NoSuchGeneration:
            raise Http404 from None
        except submission.NeedsApproval as refused:
            made = _ask(request, refused)
        except REFUSALS as refused:
            made = refusal_of(refused)
    if isinstance(made, Refusal):
        if request.htmx:
            return _answer(request, [], made)
        earlier = queries.find(request.workspace.id, generation_id)
        assert earlier is not None, "it was found a moment ago"
        return _page(request, composer.of_generation(earlier), refusal=made)
    return _answer(request, made) if request.htmx else redirect("studio")


def _back(request: access.Request) -> HttpResponse:
    """Return to the page of this generation, when the form stood there, or to the studio."""
    return redirect(request.path.rpartition("/")[0] if request.POST.get("back") else "studio")
