"""Receipts: each payment as a page to print, all of them as a list and a CSV file.

Invariant: a receipt says what our own row of the payment says, which is what the gateway's API reported; nothing is
worked out from the catalogue of today.
"""

import dataclasses
import datetime
import uuid
from collections.abc import Collection

from django.core.exceptions import BadRequest
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from gesso.billing.models import Payment
from gesso.core import catalog
from gesso.web import access, wording
from gesso.web.money import offers, tables

PAGE = 50
REFERENCES = ("taken:", "again:")  # of entries that a refund or a dispute wrote; the payment's number follows
HEADER = (
    "Receipt", "Paid (UTC)", "Item", "Credits", "Amount before tax", "Refunded", "Currency", "Dispute", "Method",
    "Gateway", "Payment", "Test",
)  # fmt: skip
DISPUTES = {
    "open": ("Disputed", "The bank has asked about this payment. Until that is decided its credits are taken back."),
    "won": ("Dispute over", "The bank decided that the payment stands. Its credits came back."),
    "lost": ("Dispute lost", "The bank sent the money back, and the credits were taken back."),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """A receipt as another page names it."""

    number: int
    words: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One receipt of the list."""

    number: str
    url: str
    at: wording.Moment
    name: str
    credits: str
    amount: str
    tag: str
    tone: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One receipt as its page shows it; empty: there is no such line."""

    number: str
    workspace: str
    at: wording.Moment
    date: str
    name: str
    why: str
    credits: str
    amount: str
    method: str
    gateway: str
    payment: str
    test: bool
    refunded: str
    kept: str
    taken_back: str
    dispute: str
    dispute_words: str


@require_GET
@access.signed_in
def listing(request: access.Request) -> HttpResponse:
    """The workspace's receipts, newest first; `?cursor=` is an older page of them."""
    cursor = request.GET.get("cursor", "")
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise BadRequest("The cursor is not one that this list gave out.")
    found = _page(request.workspace.id, int(cursor) if cursor else None, PAGE)
    now = timezone.now()
    context = {
        "rows": [_row(payment, now) for payment in found[:PAGE]],
        "next_cursor": str(found[PAGE - 1].id) if len(found) > PAGE else "",
        "first_page": not cursor,
        "workspace_name": request.workspace.name,
    }
    return render(request, "billing/receipts.html", context)


def _page(workspace_id: uuid.UUID, cursor: int | None, most: int) -> list[Payment]:
    """Return up to `most` + 1 payments, newest first."""
    rows = Payment.objects.filter(workspace_id=workspace_id)
    return list((rows.filter(id__lt=cursor) if cursor is not None else rows).order_by("-id")[: most + 1])


def _row(payment: Payment, now: datetime.datetime) -> Row:
    tag, tone = _tag(payment)
    return Row(
        number=str(payment.id), url=f"/credits/receipts/{payment.id}", at=wording.moment(payment.paid_at, now),
        name=payment.name, credits=f"{payment.credits:,}", amount=wording.money(payment.amount, payment.currency),
        tag=tag, tone=tone,
    )  # fmt: skip


def _tag(payment: Payment) -> tuple[str, str]:
    if payment.dispute in {"open", "lost"}:
        return DISPUTES[payment.dispute][0], "warn"
    if payment.refunded:
        return "Refunded" if payment.refunded == payment.amount else "Partly refunded", ""
    return "Paid", "good"


@require_GET
@access.signed_in
def page(request: access.Request, number: int) -> HttpResponse:
    """One receipt of the workspace."""
    payment = Payment.objects.filter(workspace_id=request.workspace.id, id=number).first() if number < 1 << 63 else None
    if payment is None:
        raise Http404
    receipt = _receipt(payment, request.workspace.name)
    context = {"receipt": receipt, "tax_note": catalog.current().billing.tax_note}
    return render(request, "billing/receipt.html", context)


def _receipt(payment: Payment, workspace: str) -> Receipt:
    dispute, dispute_words = DISPUTES.get(payment.dispute, ("", ""))
    kept = payment.amount - payment.refunded
    return Receipt(
        number=str(payment.id), workspace=workspace, at=wording.clock(payment.paid_at),
        date=wording.date(payment.paid_at), name=payment.name, why=_why(payment), credits=f"{payment.credits:,}",
        amount=wording.money(payment.amount, payment.currency), method=payment.method,
        gateway=offers.gateway_name(payment.gateway), payment=payment.external_id, test=not payment.live,
        refunded=wording.money(payment.refunded, payment.currency) if payment.refunded else "",
        kept=wording.money(kept, payment.currency) if payment.refunded else "",
        taken_back=f"{payment.taken_back:,}" if payment.taken_back else "", dispute=dispute,
        dispute_words=dispute_words,
    )  # fmt: skip


def _why(payment: Payment) -> str:
    """Say what the payment was for, beside the item's name."""
    until = f", until {wording.date(payment.period_end)}" if payment.period_end else ""
    return {
        "pack": "Pack, paid once", "first": f"First month of the plan{until}",
        "renewal": f"Another month of the plan{until}",
        "change": f"Difference for the rest of the month{until}",
    }[payment.reason]  # fmt: skip


@require_GET
@access.signed_in
def download(request: access.Request) -> HttpResponseBase:
    """All receipts of the workspace as a CSV file."""
    workspace_id = request.workspace.id

    def part(cursor: int | None) -> tuple[list[tables.Row], int | None]:
        found = _page(workspace_id, cursor, PAGE)
        return [_cells(payment) for payment in found[:PAGE]], found[PAGE - 1].id if len(found) > PAGE else None

    return tables.response(f"receipts-{timezone.localdate()}.csv", HEADER, part)


def _cells(payment: Payment) -> tables.Row:
    return (
        payment.id, wording.clock(payment.paid_at).iso, payment.name, payment.credits,
        wording.decimal(payment.amount, payment.currency), wording.decimal(payment.refunded, payment.currency),
        payment.currency.upper(), DISPUTES.get(payment.dispute, ("", ""))[0], payment.method,
        offers.gateway_name(payment.gateway), payment.external_id, "" if payment.live else "yes",
    )  # fmt: skip


def named(workspace_id: uuid.UUID, references: Collection[str]) -> dict[str, Named]:
    """Return, by the reference of a ledger's entry, the receipt it belongs to (one query, or none)."""
    outside = {reference.split(":", 2)[2] for reference in references if reference.startswith("payment:")}
    ours = {int(reference.split(":")[1]) for reference in references if reference.startswith(REFERENCES)}
    if not outside and not ours:
        return {}
    rows = Payment.objects.filter(Q(external_id__in=outside) | Q(id__in=ours), workspace_id=workspace_id)
    found = {}
    for row in rows:
        words = f"{row.name}, {row.method}" if row.method else row.name
        for reference in (f"payment:{row.gateway}:{row.external_id}", *_taken(references, row.id)):
            found[reference] = Named(row.id, words)
    return found


def _taken(references: Collection[str], number: int) -> list[str]:
    """Return the references by which credits of that payment went back or forth: it may be several."""
    return [each for each in references if each.startswith((f"taken:{number}:", f"again:{number}:"))]
