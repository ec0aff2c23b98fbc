"""The statement: one line for each movement, with its running balance, linked to its generation or its receipt.

Lines are the ledger's own entries; a filter leaves lines out and changes none.
"""

import dataclasses
import datetime
import uuid
from collections.abc import Sequence

from django.http import HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET

from gesso.core import ids
from gesso.credits import ledger, queries
from gesso.generations.models import Generation, Output
from gesso.web import access, wording
from gesso.web.money import receipts, tables

PART = queries.LARGEST_PAGE  # lines of the file that are read at once
# kind of an entry -> (word, tone of its tag)
KINDS = {
    "grant": ("Added", "good"), "hold": ("Held", ""), "capture": ("Charged", "blue"), "release": ("Returned", "good"),
    "return": ("Returned", "good"), "expire": ("Ended", ""), "revoke": ("Taken back", "warn"),
    "debt": ("Owed", "warn"), "repay": ("Repaid", ""),
}  # fmt: skip
STILL = {"capture": "held before", "debt": "owed"}  # how a line reads that leaves the balance as it is
MINUS = "−"  # noqa: RUF001 (the sign, of the same width as the plus)
# ?show= -> (word, kinds of entries)
FILTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("All", ()), "charges": ("Charges", ("capture",)), "returned": ("Returned", ("release", "return")),
    "added": ("Added", ("grant",)),
}  # fmt: skip
HEADER = ("Time (UTC)", "What", "Kind", "From", "Credits", "Moved", "Balance", "Generation", "Receipt", "Entry")


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


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """One choice above the statement."""

    href: str
    name: str
    here: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Named:
    """What an entry belongs to: a generation or a receipt by its id, and words for it."""

    words: str
    generation: str = ""
    receipt: int = 0

    @property
    def url(self) -> str:
        if self.generation:
            return f"/generations/{self.generation}"
        return f"/credits/receipts/{self.receipt}" if self.receipt else ""


def filters(chosen: str) -> list[Filter]:
    """Return the choices above the statement."""
    return [
        Filter(f"/credits?show={value}#statement" if value else "/credits#statement", name, value == chosen)
        for value, (name, _kinds) in FILTERS.items()
    ]


def lines(workspace_id: uuid.UUID, found: Sequence[queries.StatementLine], now: datetime.datetime) -> list[Line]:
    """Return lines of the ledger as the page shows them (at most three queries)."""
    named = _named(workspace_id, found)
    return [_line(line, named[line.id], now) for line in found]


def _line(line: queries.StatementLine, named: _Named, now: datetime.datetime) -> Line:
    kind, tone = KINDS[line.kind]
    amount = (
        f"{'+' if line.amount > 0 else MINUS}{abs(line.amount):,}"
        if line.amount
        else f"{line.moved:,} {STILL[line.kind]}"
    )
    return Line(
        at=wording.moment(line.at, now), words=wording.first_words(named.words, 60), url=named.url, kind=kind,
        tone=tone, source=wording.credit_source(line.source), amount=amount, plus=line.amount > 0,
        balance=f"{line.balance_after:,}",
    )  # fmt: skip


def _named(workspace_id: uuid.UUID, found: Sequence[queries.StatementLine]) -> dict[int, _Named]:
    """Return, by entry, what it belongs to."""
    references = {line.reference for line in found}
    works = _works(workspace_id, references)
    paid = receipts.named(workspace_id, references)
    named = {}
    for line in found:
        plain = line.reason or f"{wording.credit_source(line.source)} credits {KINDS[line.kind][0].lower()}"
        if work := works.get(line.reference):
            named[line.id] = work
        elif receipt := paid.get(line.reference):
            bought = line.kind == "grant" and line.reference.startswith("payment:")
            named[line.id] = _Named(receipt.words if bought else plain, receipt=receipt.number)
        else:
            named[line.id] = _Named(plain)
    return named


def _works(workspace_id: uuid.UUID, references: set[str]) -> dict[str, _Named]:
    """Return, by an entry's reference, its generation (at most two queries)."""
    numbers = {number: reference for reference in references if (number := ids.parse(reference))}
    images = {
        number: reference
        for reference in references
        if reference.startswith("withdrawn:") and (number := ids.parse(reference.removeprefix("withdrawn:")))
    }
    rows = Generation.objects.filter(workspace_id=workspace_id, id__in=numbers)
    works = {numbers[row_id]: _Named(prompt, str(row_id)) for row_id, prompt in rows.values_list("id", "prompt")}
    if images:
        broken = Output.objects.filter(generation__workspace_id=workspace_id, image_id__in=images)
        for image_id, row_id, prompt in broken.values_list("image_id", "generation_id", "generation__prompt"):
            if image_id:
                works[images[image_id]] = _Named(prompt, str(row_id))
    return works


@require_GET
@access.signed_in
def download(request: access.Request) -> HttpResponseBase:
    """The statement as a CSV file, newest first, of one filter or whole."""
    chosen = request.GET.get("show", "")
    if chosen not in FILTERS:
        return HttpResponseBadRequest("There is no such filter.\n", content_type="text/plain")
    ledger.expire_due(request.workspace.id)
    return _file(request.workspace.id, chosen)


def _file(workspace_id: uuid.UUID, chosen: str) -> StreamingHttpResponse:
    def part(cursor: int | None) -> tuple[list[tables.Row], int | None]:
        page = queries.statement(workspace_id, cursor=cursor, limit=PART, kinds=FILTERS[chosen][1])
        named = _named(workspace_id, page.lines)
        return [_row(line, named[line.id]) for line in page.lines], page.next_cursor

    return tables.response(f"statement-{timezone.localdate()}.csv", HEADER, part)


def _row(line: queries.StatementLine, named: _Named) -> tables.Row:
    return (
        wording.clock(line.at).iso, " ".join(named.words.split()), KINDS[line.kind][0],
        wording.credit_source(line.source), line.amount, line.moved, line.balance_after, named.generation,
        named.receipt or "", line.id,
    )  # fmt: skip
