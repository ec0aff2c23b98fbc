"""Orders, plans and payments as staff see them, and the one thing they can do here: send money of a payment back."""

import uuid
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from gesso.accounts.models import User
from gesso.billing import orders
from gesso.billing.models import Order, Payment, Subscription
from gesso.staff import records, refunding


class _Sold(records.Records):
    """What was sold to a workspace, found by the person's email and by every id of ours or of the gateway."""

    emails: ClassVar[tuple[str, ...]] = ("workspace__person__email",)
    search_help_text = "An email address, or any id of ours or of the gateway, or the beginning of one"
    list_select_related = ("workspace",)

    @admin.display(description="workspace", ordering="workspace")
    def workspace_link(self, row: Order | Subscription | Payment) -> str:
        """Return a link to the workspace."""
        return records.link(row.workspace)

    @admin.display(description="price", ordering="amount")
    def price(self, row: Order | Subscription | Payment) -> str:
        """Return the amount with its currency."""
        return refunding.money(row.amount, row.currency)

    @admin.display(description="credits", ordering="credits")
    def brought(self, row: Order | Subscription | Payment) -> str:
        """Return how many credits it is about."""
        return f"{row.credits:,}"

    @admin.display(description="mode", ordering="live")
    def mode(self, row: Order | Payment) -> str:
        """Return whether it is about real money."""
        return records.mode(row)

    @admin.display(description="order")
    def order_link(self, row: Subscription | Payment) -> str:
        """Return a link to the order."""
        return records.link(row.order, str(row.order_id))


class Orders(_Sold):
    """What was asked for, at which price, and how its checkout ended."""

    emails = ("workspace__person__email", "member__email")
    uuids = ("id", "workspace_id")
    texts = ("checkout_id",)
    ordering = ("-created_at", "-id")
    list_display = (
        "id", "created_at", "name", "workspace_link", "price", "state", "kind", "gateway", "mode", "ended_at",
    )  # fmt: skip
    list_filter = ("state", "kind", "gateway", records.Mode)
    fields = (
        "id", "workspace_link", "member", "gateway", "mode", "kind", "item", "name", "brought", "price", "state",
        "checkout_id", "created_at", "ended_at", "its_payments", "its_plan",
    )  # fmt: skip

    @admin.display(description="payments")
    def its_payments(self, row: Order) -> SafeString:
        """Return a link to what was paid for it."""
        return records.rows_of(Payment, "order__id__exact", row.pk, "Everything that was paid for it")

    @admin.display(description="plan")
    def its_plan(self, row: Order) -> str:
        """Return a link to the plan that came of it; a dash for a pack."""
        return records.link(getattr(row, "subscription", None))


class Plans(_Sold):
    """The plans of workspaces, running and ended."""

    uuids = ("workspace_id", "order_id")
    numbers = ("id",)
    texts = ("external_id",)
    ordering = ("-id",)
    list_display = (
        "id", "created_at", "name", "workspace_link", "price", "brought", "state", "period_end",
        "renewal", "gateway",
    )  # fmt: skip
    list_filter = ("state", "gateway", "plan")
    fields = (
        "id", "workspace_link", "order_link", "gateway", "external_id", "customer", "plan", "name", "brought", "price",
        "state", "period_end", "renewal", "created_at", "ended_at", "its_payments",
    )  # fmt: skip

    @admin.display(description="then")
    def renewal(self, row: Subscription) -> str:
        """Return what comes after its month: its end, another plan, or the same once more."""
        if row.ended_at or row.cancels_at_period_end:
            return "ends" if row.ended_at is None else records.NOTHING
        if row.next_amount:
            price = refunding.money(row.next_amount, row.currency)
            return f"{row.next_name}, {row.next_credits:,} credits for {price}"
        return "renews"

    @admin.display(description="customer at the gateway")
    def customer(self, row: Subscription) -> str:
        """Return the gateway's id of who pays."""
        return orders.customer(row.order) or records.NOTHING

    @admin.display(description="payments")
    def its_payments(self, row: Subscription) -> SafeString:
        """Return a link to its months."""
        return records.rows_of(Payment, "subscription__id__exact", row.pk, "Everything that was paid for it")


class Payments(_Sold):
    """Receipts: what came in, what it brought, what went back."""

    uuids = ("workspace_id", "order_id")
    numbers = ("id",)
    texts = ("external_id",)
    ordering = ("-paid_at", "-id")
    list_display = (
        "id", "paid_at", "name", "workspace_link", "price", "sent_back", "brought", "reason", "dispute", "gateway",
        "mode",
    )  # fmt: skip
    list_filter = ("gateway", "reason", "dispute", records.Mode)
    fields = (
        "id", "workspace_link", "order_link", "plan_link", "gateway", "mode", "external_id", "reason", "name",
        "brought", "price", "method", "grant_link", "paid_at", "period_end", "sent_back", "claimed", "taken_back",
        "dispute", "created_at", "changed_at",
    )  # fmt: skip
    change_form_template = "staff/payment.html"

    @admin.display(description="sent back")
    def sent_back(self, row: Payment) -> str:
        """Return the money that went back so far; a dash for none."""
        return refunding.money(row.refunded, row.currency) if row.refunded else records.NOTHING

    @admin.display(description="plan")
    def plan_link(self, row: Payment) -> str:
        """Return a link to the plan it was paid for; a dash for a pack."""
        return records.link(row.subscription)

    @admin.display(description="grant")
    def grant_link(self, row: Payment) -> str:
        """Return a link to the credits it brought."""
        return records.link(row.grant)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that sends money back."""
        view = self.admin_site.admin_view(self.refund)
        return [path("<path:object_id>/refund/", view, name="billing_payment_refund"), *super().get_urls()]

    def refund(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask how much and why, show what that means, and after a second press send the money back."""
        payment = self.get_object(request, object_id)
        if payment is None:
            raise Http404
        left = payment.amount - payment.refunded
        initial = {"amount": refunding.figure(left, payment.currency), "once": uuid.uuid4()}
        form = refunding.RefundForm(request.POST or None, initial=initial, payment=payment)
        sure = request.method == "POST" and form.is_valid()
        # What is confirmed is the amount that was shown; another one is asked about again.
        confirmed = sure and request.POST.get("confirmed") == str(form.cleaned_data["amount"])
        if confirmed and (done := self._refunded(request, payment, form)):
            return done
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Refund",
            "subtitle": str(payment),
            "opts": self.opts,
            "original": payment,
            "form": form,
            "facts": refunding.facts(payment),
            "consequence": refunding.consequence(payment, form.cleaned_data["amount"]) if sure else "",
            "asking": sure and not form.errors,
        }
        return TemplateResponse(request, "staff/refund.html", context, status=400 if form.errors else 200)

    def _refunded(self, request: HttpRequest, payment: Payment, form: refunding.RefundForm) -> HttpResponse | None:
        """Send back what the form says; None when the gateway would not, which the form then says."""
        assert isinstance(request.user, User)
        try:
            sentence = refunding.send_back(payment, request.user, **form.cleaned_data)
        except refunding.NotSent as problem:
            form.add_error(None, str(problem))
            return None
        messages.success(request, sentence)
        return HttpResponseRedirect(reverse("staff:billing_payment_change", args=[payment.pk]))


def register(site: admin.AdminSite) -> None:
    """Put orders, plans and payments on the site."""
    site.register(Order, Orders)
    site.register(Subscription, Plans)
    site.register(Payment, Payments)
