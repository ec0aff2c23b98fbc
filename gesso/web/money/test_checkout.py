"""/test-checkout/<order>: the page of the test checkout, which takes no money and says so.

It is there only while the test checkout is what this install sells through, and only for members of the order's
workspace who may buy. The gateway behind it is `billing.gateways.testing`.
"""

import uuid
from typing import Literal

from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from gesso.accounts import workspaces
from gesso.billing import orders, registry
from gesso.core import clock
from gesso.web import access, wording
from gesso.web.money import buying

BUTTONS: dict[str, Literal["pay", "fail", "delay"]] = {"pay": "pay", "fail": "fail", "delay": "delay"}


@never_cache
@require_http_methods(["GET", "POST"])
@access.signed_in
def page(request: access.Request, order_id: uuid.UUID) -> HttpResponse:
    """Show what is to be paid; POST presses one of the buttons and goes back to the order's page."""
    order = orders.find(request.workspace.id, order_id)
    row = registry.test_gateway().page(str(order_id)) if order and registry.TEST in registry.configured() else None
    if order is None or row is None:
        raise Http404
    back = f"/credits/orders/{order.id}"
    if request.method == "POST":
        if not workspaces.can(request.membership, "manage"):
            raise PermissionDenied
        button = BUTTONS.get(request.POST.get("button", ""))
        if button is None:
            raise BadRequest("There is no such button.")
        registry.test_gateway().press(str(order.id), button, clock.now())
        return buying.SeeOther(back)
    context = {
        "name": row["name"], "price": wording.money(row["amount"], row["currency"]), "plan": row["kind"] == "plan",
        "over": row["state"] != "open", "back": back, "workspace_name": request.workspace.name,
        "may_buy": workspaces.can(request.membership, "manage"),
    }  # fmt: skip
    return render(request, "billing/test_checkout.html", context)
