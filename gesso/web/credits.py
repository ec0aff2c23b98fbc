"""Credits: what is left by source, what is held, and the statement, each line linked to its generation.

Buying, plans and charts are not here. Amounts are read from the ledger, never computed from something else.
"""

import dataclasses
import datetime
import re
import uuid
from collections.abc import Sequence

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from gesso.core import catalog, ids
from gesso.credits import allowances, ledger, queries
from gesso.credits.models import CreditEntry
from gesso.generations.models import Generation, Output
from gesso.web import access, fragments, wording

PAGE = 50  # lines of the statement
METER_WIDTH = 1000  # units of the meter's drawing, with a gap of GAP between its parts
GAP = 4
SHADES = {"daily": "a", "make-good": "a", "plan": "b"}  # the swatches of the design; the rest is plain
# kind of an entry -> (word, tone of its tag)
KINDS = {
    "grant": ("Added", "good"), "hold": ("Held", ""), "capture": ("Charged", "blue"), "release": ("Returned", "good"),
    "return": ("Returned", "good"), "expire": ("Ended", ""), "revoke": ("Taken back", "warn"),
    "debt": ("Owed", "warn"), "repay": ("Repaid", ""),
}  # fmt: skip
STILL = {"capture": "held before", "debt": "owed"}  # how a line reads that leaves the balance as it is
MINUS = "−"  # noqa: RUF001 (the sign, of the same width as the plus)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The balance as the rail and the composer show it; `available` is the plain number for the page's own sums."""

    available: int
    shown: str
    unit: str
    words: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One grant in burn order: what is left of it, what is held, when it ends, and its part of the meter."""

    name: str
    shade: str
    left: str
    held: str
    ends: str
    start: str
    width: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the statement."""

    at: wording.Moment
    words: str
    url: str
    kind: str
    tone: str
    source: str
    amount: str
    plus: bool
    balance: str


def balance(workspace_id: uuid.UUID) -> Balance:
    """Return the balance in words (two queries)."""
    return _balance(queries.balance(workspace_id))


def _balance(found: queries.Balance) -> Balance:
    daily = sum(grant.available for grant in found.grants if grant.source == "daily")
    words = wording.plural(found.available, "credit")
    return Balance(
        available=found.available, shown=f"{found.available:,}", unit="credit" if found.available == 1 else "credits",
        words=f"{words}, {daily} of them daily" if daily else words,
    )  # fmt: skip


@require_GET
@access.signed_in
def balance_fragment(request: access.Request) -> HttpResponse:
    """The balance by itself, as the page asks for it when it changed."""
    return fragments.draw(request, "credits/_balance.html", {"balance": balance(request.workspace.id)})


@require_GET
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """Balance by source and the statement; `?cursor=` is an older page of it."""
    cursor = request.GET.get("cursor", "")
    if cursor and not re.fullmatch(r"[0-9]{1,18}", cursor):
        raise BadRequest("The cursor is not one that this list gave out.")
    allowances.ensure(request.workspace)
    ledger.expire_due(request.workspace.id)  # what is over is written down before it is read
    now = timezone.now()
    found = queries.balance(request.workspace.id)
    statement = queries.statement(request.workspace.id, cursor=int(cursor) if cursor else None, limit=PAGE)
    context = {
        "balance": _balance(found),
        "held": wording.plural(found.held, "credit") if found.held else "",
        "held_verb": "is" if found.held == 1 else "are",
        "debt": wording.plural(found.debt, "credit") if found.debt else "",
        "daily": _daily(request.workspace.kind),
        "sources": _sources(found, now),
        "lines": _lines(request.workspace.id, statement.lines, now),
        "next_cursor": str(statement.next_cursor or ""),
        "first_page": not cursor,
        "workspace_name": request.workspace.name,
    }
    return render(request, "credits/page.html", context)


def _daily(kind: str) -> str:
    """Say what comes each day, where something does."""
    daily = catalog.current().credits.daily
    return (
        f"{wording.plural(daily, 'daily credit')}, new each day and gone at midnight."
        if daily and kind == "personal"
        else ""
    )


def _sources(found: queries.Balance, now: datetime.datetime) -> list[Source]:
    total = sum(grant.available + grant.held for grant in found.grants) or 1
    room = METER_WIDTH - GAP * max(0, len(found.grants) - 1)
    sources, start = [], 0
    for grant in found.grants:
        width = room * (grant.available + grant.held) // total
        sources.append(
            Source(
                name=wording.credit_source(grant.source), shade=SHADES.get(grant.source, ""),
                left=f"{grant.available:,}", held=f"{grant.held:,}" if grant.held else "",
                ends=_ends(grant.expires_at, now), start=str(start), width=str(width),
            )
        )  # fmt: skip
        start += width + GAP
    return sources


def _ends(at: datetime.datetime | None, now: datetime.datetime) -> str:
    if at is None:
        return "Never"
    if at - now <= datetime.timedelta(hours=24) and at == timezone.localtime(at).replace(hour=0, minute=0, second=0):
        return "Tonight"
    return wording.moment(at, now).words


def _lines(workspace_id: uuid.UUID, lines: Sequence[queries.StatementLine], now: datetime.datetime) -> list[Line]:
    works, moved = _works(workspace_id, lines), _moved(workspace_id, lines)
    return [_line(line, works.get(line.reference), moved.get(line.id, 0), now) for line in lines]


def _moved(workspace_id: uuid.UUID, lines: Sequence[queries.StatementLine]) -> dict[int, int]:
    """Return what those lines moved that leave the balance as it is (charges, debt): one query."""
    still = [line.id for line in lines if not line.amount]
    return dict(CreditEntry.objects.filter(workspace_id=workspace_id, id__in=still).values_list("id", "amount"))


def _works(workspace_id: uuid.UUID, lines: Sequence[queries.StatementLine]) -> dict[str, tuple[str, str]]:
    """Return, by an entry's reference, the id and the prompt of its generation (at most two queries)."""
    numbers = {number: line.reference for line in lines if (number := ids.parse(line.reference))}
    images = {
        number: line.reference
        for line in lines
        if line.reference.startswith("withdrawn:") and (number := ids.parse(line.reference.removeprefix("withdrawn:")))
    }
    rows = Generation.objects.filter(workspace_id=workspace_id)
    works = {
        numbers[row_id]: (str(row_id), prompt)
        for row_id, prompt in rows.filter(id__in=numbers).values_list("id", "prompt")
    }
    if images:
        broken = Output.objects.filter(generation__workspace_id=workspace_id, image_id__in=images)
        for image_id, row_id, prompt in broken.values_list("image_id", "generation_id", "generation__prompt"):
            works[images[image_id]] = (str(row_id), prompt)
    return works


def _line(line: queries.StatementLine, work: tuple[str, str] | None, moved: int, now: datetime.datetime) -> Line:
    kind, tone = KINDS[line.kind]
    source = wording.credit_source(line.source)
    if work:
        words, url = wording.first_words(work[1], 60), f"/generations/{work[0]}"
    else:
        words, url = line.reason or f"{source} credits {kind.lower()}", ""
    amount = (
        f"{'+' if line.amount > 0 else MINUS}{abs(line.amount):,}" if line.amount else f"{moved:,} {STILL[line.kind]}"
    )
    return Line(
        at=wording.moment(line.at, now), words=words, url=url, kind=kind, tone=tone, source=source, amount=amount,
        plus=line.amount > 0, balance=f"{line.balance_after:,}",
    )  # fmt: skip
