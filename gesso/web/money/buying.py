"""/credits/buy: plans and packs with their prices on the buttons, and the order that a press makes.

Invariants: the page gives every button its order's id, so that a press twice is one order; a press that carries
another price than the catalogue's orders nothing; the gateway is asked outside any transaction (`billing.orders`).
Paying is the gateway's page, coming back from it is `order`.
"""

import dataclasses
import uuid
from typing import Literal

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from gesso.accounts import workspaces
from gesso.billing import orders, registry, subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Order
from gesso.core import catalog, ids
from gesso.web import access
from gesso.web import credits as balances
from gesso.web.money import offers

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nothing was ordered: `code` for those who ask for help, a sentence, and where to go on, if anywhere."""

    status: int
    code: str
    words: str
    href: str = ""
    link: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Till:
    """One gateway that can be bought through."""

    href: str
    name: str
    here: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What the form of one button said."""

    kind: Literal["pack", "plan"]
    item: str
    amount: int
    order: uuid.UUID
    gateway: str


class SeeOther(HttpResponseRedirect):
    """303: what was posted is done, and the next page is fetched."""

    status_code = 303


@never_cache  # an order's id is for one reader
@require_http_methods(["GET", "POST"])
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """Show what is sold; POST orders one thing and leads to the gateway's page."""
    if request.method == "GET":
        return _page(request, request.GET.get("gateway", ""))
    press = _press(request)
    if refusal := not_here(request, MAY_NOT):
        return _page(request, press.gateway, refusal)
    try:
        _check(press)
        order = orders.buy(
            request.workspace, request.user, press.kind, press.item, order_id=press.order, gateway=press.gateway
        )
    except REFUSALS as refused:
        log.info("nothing was ordered", reason=type(refused).__name__, words=str(refused), order=str(press.order))
        again = isinstance(refused, (protocol.Unavailable, protocol.Refused))
        kept = (press.item, press.order) if again else None
        return _page(request, press.gateway, refusal_of(refused, press.gateway), kept)
    if order.state != Order.State.OPEN:
        return SeeOther(f"/credits/orders/{order.id}")
    return SeeOther(order.checkout_url.removeprefix(settings.GESSO.base_url))  # our own page by whatever name we go


def not_here(request: access.Request, may_not: str) -> Refusal | None:
    """Return why this person may not act in this workspace, or that it is not the one that the form was made in."""
    if request.POST.get("workspace") != str(request.workspace.id):
        words = f"You went to {request.workspace.name} meanwhile, so nothing was done. Look again before you go on."
        return Refusal(status=409, code="other_workspace", words=words)
    if not workspaces.can(request.membership, "manage"):
        return Refusal(status=403, code="not_allowed", words=may_not)
    return None


def _press(request: access.Request) -> Press:
    """Read the form. Raises BadRequest: only a form that somebody changed is not as the page made it."""
    form = request.POST
    kind, order_id, amount = form.get("kind"), ids.parse(form.get("order", "")), form.get("amount", "")
    if kind not in {"pack", "plan"} or order_id is None or not (amount.isascii() and amount.isdigit()):
        raise BadRequest("The form is not one that this page made.")
    return Press(
        kind="plan" if kind == "plan" else "pack", item=form.get("item", ""), amount=int(amount[:12]), order=order_id,
        gateway=form.get("gateway", ""),
    )  # fmt: skip


class PriceChanged(Exception):
    """The page was made with another price than the catalogue has now."""


def _check(press: Press) -> None:
    """What the button said is what is ordered. Raises PriceChanged, OrderTaken; the rest is for `orders` to say."""
    table = catalog.current()
    row = table.pack(press.item) if press.kind == "pack" else table.plan(press.item)
    known = Order.objects.filter(id=press.order).first()
    if known and (known.item != press.item or press.gateway not in {"", known.gateway}):
        raise orders.OrderTaken("This was already sent for something else, or to another gateway.")
    if (row and row.price != press.amount) or (known and known.amount != press.amount):
        raise PriceChanged


REFUSALS = (
    orders.NotForSale, orders.HasPlan, orders.OrderTaken, PriceChanged, protocol.Unavailable, protocol.Refused,
)  # fmt: skip
MAY_NOT = "Only owners and admins of this workspace can buy. Ask one of them. Nothing was charged."


def refusal_of(refused: Exception, gateway: str) -> Refusal:
    """Return what to say about an exception of REFUSALS."""
    name = offers.gateway_name(gateway) if gateway else "The payment service"
    match refused:
        case orders.NotForSale():
            return Refusal(
                status=409, code="not_for_sale", words="This is not sold here any more. Nothing was charged."
            )
        case orders.HasPlan():
            words = "This workspace has a plan already: it is changed, not bought again. Nothing was charged."
            return Refusal(status=409, code="has_plan", words=words, href="/credits/plan", link="Change the plan")
        case orders.OrderTaken():
            words = "This page was used for something else before. Nothing was charged. Press once more."
            return Refusal(status=409, code="order_taken", words=words)
        case PriceChanged():
            words = "The price has changed since you opened the page. Nothing was charged. The new prices are below."
            return Refusal(status=409, code="price_changed", words=words)
        case protocol.Unavailable():
            words = f"{name} does not answer just now. Nothing was charged. Try again."
            return Refusal(status=503, code="gateway_unavailable", words=words)
    words = f"{name} did not accept this. Nothing was charged. Try again, or ask whoever runs this install."
    return Refusal(status=502, code="gateway_refused", words=words)


def _page(
    request: access.Request, gateway: str, refusal: Refusal | None = None, kept: tuple[str, uuid.UUID] | None = None
) -> HttpResponse:
    tills = registry.configured()
    chosen = gateway if gateway in tills else next(iter(tills), "")
    plan = subscriptions.current(request.workspace.id)
    context = {
        "sold_here": offers.sold_here(),
        "shelf": offers.shelf(kept, gateway=chosen),
        "may_buy": workspaces.can(request.membership, "manage"),
        "tills": _tills(tills, chosen) if len(tills) > 1 else [],
        "gateway": chosen,
        "gateway_name": offers.gateway_name(chosen),
        "test": bool(chosen) and not tills[chosen].live,
        "plan": plan.plan if plan else "",
        "refusal": refusal,
        "balance": balances.balance(request.workspace.id),
        "workspace_name": request.workspace.name,
    }
    return render(request, "credits/buy.html", context, status=refusal.status if refusal else 200)


def _tills(tills: dict[str, protocol.Gateway], chosen: str) -> list[Till]:
    return [Till(f"/credits/buy?gateway={name}", offers.gateway_name(name), name == chosen) for name in tills]
