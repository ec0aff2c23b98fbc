"""/team/approvals: what waits for an admin, and what became of it. Members see their own, admins everybody's.

Approving submits at once, as the member who asked, at a price that stands on the button.
"""

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from gesso.accounts import workspaces
from gesso.accounts.models import Workspace
from gesso.generations import approvals, member_caps
from gesso.generations.models import ApprovalRequest
from gesso.web import access, cards, studio, wording
from gesso.web.team import doing, spending

SHOWN = 100  # requests
STATES = {
    "pending": ("Waiting", "warn"), "approved": ("Approved", "good"), "declined": ("Declined", ""),
    "withdrawn": ("Withdrawn", ""),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the list shows it; `total` is the plain number that comes back with the approval."""

    id: str
    words: str
    settings: str
    who: str
    at: wording.Moment
    state: str
    tone: str
    waits: bool
    mine: bool
    price: str
    total: str
    month: str
    decided: str
    url: str


@require_GET
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """List requests, newest first."""
    doing.require_team(request)
    rows = list(approvals.seen_by(request.membership)[:SHOWN])
    caps: dict[int, int | None] = dict(request.workspace.memberships.values_list("user_id", "monthly_cap"))
    spent = member_caps.spent_by_all(request.workspace)
    drawn = [_request(row, request.user.pk, spent, caps) for row in rows]
    above = request.workspace.approval_above
    context = {
        "waiting": [each for each in drawn if each.waits],
        "decided": [each for each in drawn if not each.waits],
        "may_manage": workspaces.can(request.membership, "manage"),
        "above": "" if above is None else wording.plural(above, "credit"),
        "reason_most": str(approvals.REASON_MOST),
    }
    return render(request, "team/approvals.html", context)


@require_GET
@access.signed_in
def of_team(request: access.Request, workspace_id: uuid.UUID) -> HttpResponse:
    """Go to the approvals of one team, which is the chosen one from then on: where a mail leads its reader."""
    ours = next((row.workspace for row in request.memberships if row.workspace_id == workspace_id), None)
    if ours is None or ours.kind != Workspace.Kind.TEAM:
        raise Http404
    request.session[access.CHOSEN] = str(ours.id)
    return redirect("team-approvals")


def _request(
    row: ApprovalRequest, viewer: int, spent: Mapping[int | None, int], caps: Mapping[int, int | None]
) -> Request:
    now = timezone.now()
    state, tone = STATES[row.state]
    return Request(
        id=str(row.id), words=wording.first_words(approvals.prompt_of(row)), settings=_settings(row.specs),
        who="You" if row.member_id == viewer else row.member.name or row.member.email,
        at=wording.moment(row.created_at, now), state=state, tone=tone, waits=row.state == approvals.State.PENDING,
        mine=row.member_id == viewer, price=wording.plural(row.total, "credit"), total=str(row.total),
        month=spending.month(spent.get(row.member_id, 0), caps.get(row.member_id)), decided=_decided(row, viewer),
        url=f"/generations/{row.id}" if row.state == approvals.State.APPROVED else "",
    )  # fmt: skip


def _settings(specs: list[dict[str, Any]]) -> str:
    """Return what is asked for in a line, as a card says it."""
    first = specs[0]
    pictures, references = sum(each["count"] for each in specs), len(first["references"])
    parts = [
        " ".join(each["aspect_ratio"] for each in specs), cards.QUALITIES.get(first["quality"], first["quality"]),
        wording.plural(pictures, "image"), wording.plural(references, "reference") if references else "",
    ]  # fmt: skip
    return ", ".join(filter(None, parts))


def _decided(row: ApprovalRequest, viewer: int) -> str:
    if row.decided_by is None or row.state == approvals.State.WITHDRAWN:
        return ""
    who = "you" if row.decided_by_id == viewer else row.decided_by.name or row.decided_by.email
    return f"By {who}" + (f": {row.reason}" if row.reason else "")


@require_POST
@access.signed_in
def approve(request: access.Request, request_id: uuid.UUID) -> HttpResponse:
    """Approve one request at the price that the button showed."""
    seen = request.POST.get("total", "")
    number = int(seen) if seen.isascii() and seen.isdigit() and len(seen) <= 12 else 0
    try:
        _decide(lambda: approvals.approve(request.membership, request_id, seen=number))
    except (approvals.Decided, approvals.PriceRose, approvals.CantApprove) as refused:
        messages.error(request, str(refused))
    except member_caps.OverAllowance as refused:
        words = f"This needs {refused.needed:,} credits. Their allowance has {refused.left:,} of {refused.cap:,} left"
        messages.error(request, f"{words} this month. Raise it first. The request still waits.")
    except studio.REFUSALS as refused:
        told = studio.refusal_of(refused)
        words = told.sentence or " ".join(mistake.message for mistake in told.mistakes)
        messages.error(request, f"{words} The request still waits.")
    else:
        messages.success(request, "Approved. It is being made.")
    return redirect("team-approvals")


@require_POST
@access.signed_in
def decline(request: access.Request, request_id: uuid.UUID) -> HttpResponse:
    """Decline one request, with a reason if there is one."""
    return _end(
        request,
        lambda: approvals.decline(request.membership, request_id, request.POST.get("reason", "")),
        "Declined. Nothing was held.",
    )


@require_POST
@access.signed_in
def withdraw(request: access.Request, request_id: uuid.UUID) -> HttpResponse:
    """Take one's own request back."""
    return _end(request, lambda: approvals.withdraw(request.membership, request_id), "Withdrawn. Nothing was held.")


def _end(request: access.Request, deed: Callable[[], object], done: str) -> HttpResponse:
    try:
        _decide(deed)
    except approvals.Decided as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, done)
    return redirect("team-approvals")


def _decide(deed: Callable[[], object]) -> None:
    try:
        deed()
    except approvals.NotAllowed as problem:
        raise PermissionDenied from problem
    except approvals.NoSuchRequest:
        raise Http404 from None
