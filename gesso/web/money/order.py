"""/credits/orders/<order>: where one comes back from the gateway, and waits until the credits are there.

It is found in any workspace of the person's, for they may have switched while they paid. Looking at it asks the
gateway, at most once in `ASK_SECONDS` for each order, so that credits arrive without any
webhook. What the page says is our own row.
"""

import dataclasses
import threading
import time
import uuid

import structlog
from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from gesso.accounts import workspaces
from gesso.billing import orders
from gesso.billing.gateways import protocol
from gesso.billing.models import Order, Payment
from gesso.web import access, fragments, wording
from gesso.web.money import offers

ASK_SECONDS = 2.0

log = structlog.get_logger()
_asked: dict[uuid.UUID, float] = {}  # when this process last asked about an order
_asking = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the page says of an order. `poll`: it may change by itself. `again`: the same order can be tried again."""

    id: str
    icon: str
    tone: str
    title: str
    words: str
    problem: str = ""
    poll: bool = False
    again: bool = False
    checkout: str = ""
    receipt: str = ""


@never_cache
@require_GET
@access.signed_in
def page(request: access.Request, order_id: uuid.UUID) -> HttpResponse:
    """How an order stands; `?canceled=1`: the person left the gateway's page."""
    context = _context(request, order_id, canceled="canceled" in request.GET)
    return render(request, "billing/order.html", context)


@never_cache
@require_GET
@access.signed_in
def state(request: access.Request, order_id: uuid.UUID) -> HttpResponse:
    """The same by itself, for the page that waits."""
    return fragments.draw(request, "billing/_order.html", _context(request, order_id, canceled=False))


def _context(request: access.Request, order_id: uuid.UUID, *, canceled: bool) -> dict[str, object]:
    mine = {row.workspace_id: row for row in request.memberships}
    order = Order.objects.filter(id=order_id, workspace__in=mine).first()
    if order is None:
        raise Http404
    order, problem = _looked_at(order)
    membership = mine[order.workspace_id]
    return {
        "order": order, "price": wording.money(order.amount, order.currency), "view": view(order, canceled, problem),
        "may_buy": workspaces.can(membership, "manage"), "test": not order.live,
        "gateway_name": offers.gateway_name(order.gateway), "ours": membership.workspace,
        "elsewhere": membership.workspace_id != request.workspace.id,
    }  # fmt: skip


def _looked_at(order: Order) -> tuple[Order, str]:
    """Return the order as the gateway has it now, and a sentence if it could not be asked."""
    if order.state != Order.State.OPEN or not _may_ask(order.id):
        return order, ""
    name = offers.gateway_name(order.gateway)
    try:
        return orders.look_again(order), ""
    except protocol.Unavailable:
        return order, f"{name} does not answer just now. This page asks again by itself."
    except protocol.Refused as refused:
        log.warning("a gateway would not say how an order stands", order=str(order.id), reason=str(refused))
        return order, f"{name} does not say how this payment stands. If that lasts, ask whoever runs this install."


def _may_ask(order_id: uuid.UUID) -> bool:
    now = time.monotonic()
    with _asking:
        for number in [number for number, at in _asked.items() if now - at >= ASK_SECONDS]:
            del _asked[number]
        return _asked.setdefault(order_id, now) == now


def view(order: Order, canceled: bool, problem: str) -> View:
    """Return what the page says of an order."""
    number, checkout = str(order.id), order.checkout_url.removeprefix(settings.GESSO.base_url)
    match order.state:
        case Order.State.PAID:
            return _paid(order)
        case Order.State.FAILED:
            words = "The payment did not go through. Nothing was charged."
            return View(id=number, icon="close", tone="bad", title="Not paid", words=words)
        case Order.State.EXPIRED:
            words = "The checkout was open for too long and has ended. Nothing was charged."
            return View(id=number, icon="clock", tone="", title="Expired", words=words)
    if not checkout:
        words = "The checkout did not open. Nothing was charged. Try again: it stays the same order."
        return View(id=number, icon="warning", tone="warn", title="Not begun", words=words, again=True)
    if canceled:
        words = "You left the checkout before paying. Nothing was charged. It stays open for a while."
        return View(id=number, icon="close", tone="", title="Not paid", words=words, checkout=checkout, problem=problem)
    words = "If you have paid, your payment is on its way; credits appear here by themselves."
    return View(
        id=number, icon="clock", tone="", title="Waiting for the payment", words=words, checkout=checkout,
        problem=problem, poll=True,
    )  # fmt: skip


def _paid(order: Order) -> View:
    payment = Payment.objects.filter(order=order, reason__in=["pack", "first"]).first()
    added = wording.plural(payment.credits if payment else order.credits, "credit")
    verb = "was" if added.startswith("1 ") else "were"
    words = f"{added} {verb} added." + (" The plan renews each month." if order.kind == Order.Kind.PLAN else "")
    return View(
        id=str(order.id), icon="check", tone="good", title="Paid", words=words,
        receipt=f"/credits/receipts/{payment.id}" if payment else "",
    )  # fmt: skip
