"""/credits: the balance by source with what comes next, what is on hold for what, use by day, and the statement.

Amounts are read from the ledger, never computed from something else.
"""

import dataclasses
import datetime
import re
import uuid

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from gesso.billing import subscriptions
from gesso.billing.models import Payment, Subscription
from gesso.core import catalog
from gesso.credits import allowances, ledger, queries
from gesso.credits.models import CreditHold
from gesso.generations.models import Generation
from gesso.web import access, wording
from gesso.web import credits as balances
from gesso.web.money import offers, statement, usage
from gesso.web.team import spending

PAGE = 50  # lines of the statement
HOLDS = 6  # generations in hand that are named one by one
METER_WIDTH = 1000  # units of the meter's drawing, with a gap of GAP between its parts
GAP = 4
SHADES = {"daily": "a", "make-good": "a", "plan": "b"}  # the swatches of the design; the rest is plain


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One grant in burn order: left and held of how much, when it ends, what comes then, and its part of the meter."""

    name: str
    shade: str
    left: str
    held: str
    amount: str
    ends: str
    start: str
    width: str


@dataclasses.dataclass(frozen=True, slots=True)
class Hold:
    """Credits that are set aside for one generation in hand."""

    url: str
    words: str
    credits: str


@require_GET
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """Everything about the workspace's credits; `?show=` filters the statement, `?cursor=` is an older page of it."""
    cursor, chosen = request.GET.get("cursor", ""), request.GET.get("show", "")
    if (cursor and not re.fullmatch(r"[0-9]{1,18}", cursor)) or chosen not in statement.FILTERS:
        raise BadRequest("The cursor or the filter is not one that this list gave out.")
    without_daily = allowances.ensure(request.workspace)
    ledger.expire_due(request.workspace.id)  # what is over is written down before it is read
    now = timezone.now()
    found = queries.balance(request.workspace.id)
    plan = subscriptions.current(request.workspace.id)
    kinds = statement.FILTERS[chosen][1]
    part = queries.statement(request.workspace.id, cursor=int(cursor) if cursor else None, limit=PAGE, kinds=kinds)
    context = {
        "balance": balances.in_words(found),
        "held": wording.plural(found.held, "credit") if found.held else "",
        "held_verb": "is" if found.held == 1 else "are",
        "holds": _holds(request.workspace.id) if found.held else [],
        "debt": wording.plural(found.debt, "credit") if found.debt else "",
        "daily": without_daily or _daily(request.workspace.kind),
        "own_month": spending.own_month(request.membership),
        "sources": _sources(found, plan, now),
        "chart": usage.chart(queries.use_by_day(request.workspace.id)),
        "lines": statement.lines(request.workspace.id, part.lines, now),
        "filters": statement.filters(chosen),
        "chosen": chosen,
        "next_cursor": str(part.next_cursor or ""),
        "first_page": not cursor,
        "workspace_name": request.workspace.name,
        "sold_here": offers.sold_here(),
        "plan": plan.name if plan else "",
        "receipts": offers.sold_here() or Payment.objects.filter(workspace=request.workspace).exists(),
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


def _holds(workspace_id: uuid.UUID) -> list[Hold]:
    """Return what is on hold for each of the oldest generations in hand (two queries)."""
    rows = Generation.objects.filter(workspace_id=workspace_id, state__in=["queued", "running"]).order_by("created_at")
    prompts = {str(number): prompt for number, prompt in rows.values_list("id", "prompt")[:HOLDS]}
    held = CreditHold.objects.filter(workspace_id=workspace_id, reference__in=prompts, state=CreditHold.State.OPEN)
    amounts = dict(held.values_list("reference", "amount"))
    return [
        Hold(f"/generations/{number}", wording.first_words(prompt, 48), f"{amounts[number]:,}")
        for number, prompt in prompts.items()
        if number in amounts
    ]


def _sources(found: queries.Balance, plan: Subscription | None, now: datetime.datetime) -> list[Source]:
    total = sum(grant.available + grant.held for grant in found.grants) or 1
    room = METER_WIDTH - GAP * max(0, len(found.grants) - 1)
    sources, start = [], 0
    for grant in found.grants:
        width = room * (grant.available + grant.held) // total
        sources.append(
            Source(
                name=_name(grant, plan, now), shade=SHADES.get(grant.source, ""), left=f"{grant.available:,}",
                held=f"{grant.held:,}" if grant.held else "", amount=f"{grant.amount:,}",
                ends=_ends(grant, plan, now), start=str(start), width=str(width),
            )
        )  # fmt: skip
        start += width + GAP
    return sources


def _name(grant: queries.GrantLine, plan: Subscription | None, now: datetime.datetime) -> str:
    name = wording.credit_source(grant.source)
    if grant.source == "pack":
        day = wording.moment(grant.granted_at, now).words
        today = timezone.localdate(grant.granted_at) == timezone.localdate(now)
        return f"{name}, bought {'today' if today else day}"
    return f"{name}, {plan.name}" if grant.source == "plan" and plan else name


def _ends(grant: queries.GrantLine, plan: Subscription | None, now: datetime.datetime) -> str:
    """Say when a grant ends, and what comes in its place."""
    at = grant.expires_at
    if at is None:
        return "Never"
    tonight = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0) == at
    close = tonight and at - now <= datetime.timedelta(hours=25)  # the longest day of a year has 25 hours
    words = "Tonight" if close else wording.moment(at, now).words
    if grant.source == "daily":
        return f"{words}, then {catalog.current().credits.daily:,} new"
    if grant.source == "plan" and plan and plan.period_end and _goes_on(plan) and at >= plan.period_end:
        new = plan.next_credits or plan.credits
        return f"{words}, {new:,} new on {wording.moment(plan.period_end, now).words}"
    return words


def _goes_on(plan: Subscription) -> bool:
    return plan.state == Subscription.State.ACTIVE and not plan.cancels_at_period_end
