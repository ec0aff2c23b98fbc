"""/credits/plan: the workspace's plan in plain words, and changing it, letting it end, going on, the card.

Every deed asks the gateway first (`billing.subscriptions`); the page then says what our row says. Buying a plan where
there is none is `buying`.
"""

import dataclasses
from collections.abc import Callable

import structlog
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from gesso.accounts import workspaces
from gesso.accounts.models import Workspace
from gesso.billing import orders, subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Subscription
from gesso.core import catalog
from gesso.web import access, wording
from gesso.web.money import buying, offers

HERE = "/credits/plan"
MAY_NOT = "Only owners and admins of this workspace can change its plan. Nothing was changed."
REFUSALS = (subscriptions.NoPlan, subscriptions.NoChange, protocol.Unavailable, protocol.Refused)

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A plan that one can move to. `words` say when, and what it costs; `button` empty: it is the one that runs."""

    item: str
    name: str
    price: str
    facts: list[str]
    words: str
    button: str
    tag: str


@require_GET
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """How the workspace's plan stands."""
    return _page(request)


@require_POST
@access.signed_in
def change(request: access.Request) -> HttpResponse:
    """Move to another plan; the one that runs undoes a change that waits."""
    item = request.POST.get("plan", "")
    if not item:
        raise BadRequest("The form is not one that this page made.")
    return _do(request, lambda workspace: _changed(subscriptions.change(workspace, item)))


@require_POST
@access.signed_in
def cancel(request: access.Request) -> HttpResponse:
    """Let the plan end with its month."""
    return _do(request, lambda workspace: f"{subscriptions.cancel(workspace).name} ends with its month.")


@require_POST
@access.signed_in
def resume(request: access.Request) -> HttpResponse:
    """Let a plan that was canceled go on."""
    return _do(request, lambda workspace: f"{subscriptions.resume(workspace).name} goes on.")


@never_cache
@require_POST
@access.signed_in
def portal(request: access.Request) -> HttpResponse:
    """Go to the gateway's own page for the card and invoices."""
    if refusal := buying.not_here(request, MAY_NOT):
        return _page(request, refusal)
    try:
        address = subscriptions.portal(request.workspace)
    except REFUSALS as refused:
        return _page(request, _refusal(refused, request.workspace))
    if not address:
        words = "There is no card to change: the payment service has no page for it."
        return _page(request, buying.Refusal(status=409, code="no_portal", words=words))
    return buying.SeeOther(address)


def _do(request: access.Request, deed: Callable[[Workspace], str]) -> HttpResponse:
    if refusal := buying.not_here(request, MAY_NOT):
        return _page(request, refusal)
    try:
        messages.success(request, deed(request.workspace))
    except REFUSALS as refused:
        return _page(request, _refusal(refused, request.workspace))
    return buying.SeeOther(HERE)


def _changed(ours: Subscription) -> str:
    if ours.next_plan:
        return f"{ours.next_name} from the next month on. Until then {ours.name} stays as it is."
    return f"The plan is {ours.name}."


def _refusal(refused: Exception, workspace: Workspace) -> buying.Refusal:
    log.info("a plan stays as it was", reason=type(refused).__name__, words=str(refused))
    ours = subscriptions.current(workspace.id)
    name = offers.gateway_name(ours.gateway) if ours else "The payment service"
    match refused:
        case subscriptions.NoPlan():
            return buying.Refusal(status=409, code="no_plan", words="This workspace has no plan. Nothing was changed.")
        case subscriptions.NoChange():
            return buying.Refusal(status=409, code="no_change", words=f"{refused} Nothing was changed.")
        case protocol.Unavailable():
            # It may have heard us and answered too late: the page must not say that nothing was changed.
            words = f"{name} does not answer just now. Look at this page again in some minutes before you repeat this."
            return buying.Refusal(status=503, code="gateway_unavailable", words=words)
    words = f"{name} did not accept this. Nothing was changed. Ask whoever runs this install if it happens again."
    return buying.Refusal(status=502, code="gateway_refused", words=words)


def _page(request: access.Request, refusal: buying.Refusal | None = None) -> HttpResponse:
    ours = subscriptions.current(request.workspace.id)
    may_change = workspaces.can(request.membership, "manage")
    context = {
        "ours": ours,
        "price": wording.money(ours.amount, ours.currency) if ours else "",
        "standing": standing(ours) if ours else "",
        "past_due": bool(ours and ours.state == Subscription.State.PAST_DUE),
        "waits": f"{ours.next_name} from the next month on." if ours and ours.next_plan else "",
        "choices": _choices(ours) if ours and _may_move(ours) else [],
        "has_portal": bool(ours and orders.customer(ours.order)),
        "gateway_name": offers.gateway_name(ours.gateway) if ours else "",
        "may_change": may_change,
        "may_not": "" if may_change else "Only owners and admins of this workspace can change its plan.",
        "ended": "" if ours else _ended(request.workspace),
        "sold_here": offers.sold_here(),
        "tax_note": catalog.current().billing.tax_note,
        "refusal": refusal,
        "workspace_name": request.workspace.name,
    }
    return render(request, "billing/plan.html", context, status=refusal.status if refusal else 200)


def standing(ours: Subscription) -> str:
    """Say how a plan stands, in a sentence."""
    until = wording.date(ours.period_end) if ours.period_end else ""
    if ours.state == Subscription.State.PAST_DUE:
        return (
            "The last payment did not arrive. The payment service tries again by itself; until it arrives no new "
            "credits are added. Change the card if it is not valid any more."
        )
    if ours.cancels_at_period_end:
        return f"It ends with its month, on {until}. Nothing more is charged." if until else "It ends with its month."
    name, credits_, amount = (
        (ours.next_name, ours.next_credits, ours.next_amount)
        if ours.next_plan
        else (ours.name, ours.credits, ours.amount)
    )
    when = f"It renews on {until}" if until else "It renews each month"
    return f"{when}: {name}, {credits_:,} credits for {wording.money(amount, ours.currency)} before tax."


def _may_move(ours: Subscription) -> bool:
    """Another plan is for one that goes on and is paid; first things first otherwise."""
    return ours.state == Subscription.State.ACTIVE and not ours.cancels_at_period_end


def _ended(workspace: Workspace) -> str:
    ended = Subscription.objects.filter(workspace=workspace, state=Subscription.State.ENDED)
    last = ended.order_by("-ended_at").first()
    return f"{last.name} ended on {wording.date(last.ended_at or timezone.now())}." if last else ""


def _choices(ours: Subscription) -> list[Choice]:
    return [_choice(offer, ours) for offer in offers.shelf(gateway=ours.gateway).plans]


def _choice(offer: offers.Offer, ours: Subscription) -> Choice:
    current, waiting = offer.item == ours.plan, offer.item == ours.next_plan
    amount = ours.amount if current else offer.amount
    price = wording.money(amount, ours.currency)
    dearer = amount - ours.amount
    if current:
        words, button = "", "Keep this plan" if ours.next_plan else ""
    elif waiting:
        words, button = "From the next month on.", ""
    elif dearer > 0:
        most = wording.money(dearer, ours.currency)
        words = (
            f"Now. You are charged the difference for what is left of the month, at most {most}, and get credits in "
            "the same measure."
        )
        button = f"Switch for {price} a month"
    else:
        words, button = "From the next month on. Nothing is charged before that.", f"Switch for {price} a month"
    return Choice(
        item=offer.item, name=offer.name, price=price, facts=offer.facts, words=words, button=button,
        tag="Your plan" if current else "Next month" if waiting else "",
    )  # fmt: skip
