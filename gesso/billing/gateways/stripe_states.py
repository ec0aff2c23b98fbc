"""From Stripe's objects to our words. Pure: it is given what the API answered, as plain dicts, and asks nobody.

Amounts are before tax and after discounts, because those are what an order says; money that went back is counted in the
same measure. Periods sit on items and lines, and an invoice's payment hangs on `payments`, as in version 2026-10-28.
"""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from gesso.billing.gateways import protocol

Thing = Mapping[str, Any]

PRODUCT = "gesso_{kind}_{item}"  # ours at Stripe
_REASONS: Mapping[str, Literal["first", "renewal"]] = {"subscription_create": "first", "subscription_cycle": "renewal"}
_STATES: Mapping[str, Literal["active", "past_due", "ended"]] = {
    "active": "active", "trialing": "active", "past_due": "past_due", "unpaid": "past_due", "paused": "past_due",
    "canceled": "ended", "incomplete_expired": "ended",
}  # fmt: skip
# An inquiry (warning_...) moves no money, so it is none for us.
_DISPUTES: Mapping[str, protocol.Dispute] = {
    "needs_response": "open", "under_review": "open", "appeal_needs_response": "open", "appeal_under_review": "open",
    "lost": "lost", "won": "won",
}  # fmt: skip
_WORST: tuple[protocol.Dispute, ...] = ("open", "lost", "won")
_BRANDS = {"amex": "American Express", "diners": "Diners Club", "jcb": "JCB", "unionpay": "UnionPay"}
_METHODS = {"sepa_debit": "SEPA debit", "us_bank_account": "Bank account", "paypal": "PayPal", "ideal": "iDEAL"}


def ours(metadata: Thing | None) -> bool:
    """Whether what carries this came of a sale of ours: an account may sell other things, too."""
    return bool(metadata and metadata.get("order") and metadata.get("item"))


def checkout(session: Thing, *, failed: bool) -> protocol.CheckoutState:
    """Return how a checkout ended; `failed` is whether a delayed payment did not arrive."""
    state: Literal["open", "complete", "failed", "expired"] = "failed" if failed else "complete"
    if session["status"] != "complete":
        state = "expired" if session["status"] == "expired" else "open"
    return protocol.CheckoutState(id=session["id"], order=str(session["metadata"].get("order", "")), state=state)


def pack(intent: Thing, session: Thing | None, disputes: Sequence[Thing]) -> protocol.PaymentState:
    """Return the payment of a pack: its intent with the charge in it, and the checkout that it came of."""
    charge = intent["latest_charge"] or {}
    amount = before_tax(session) if session else intent["amount"]
    paid = intent["status"] == "succeeded" and charge.get("status") == "succeeded"
    return protocol.PaymentState(
        id=intent["id"], order=str(intent["metadata"].get("order", "")), subscription="",
        customer=intent["customer"] or "", reason="pack", item=str(intent["metadata"].get("item", "")), amount=amount,
        currency=intent["currency"], live=intent["livemode"], paid_at=_time(charge["created"]) if paid else None,
        period_end=None, refunded=_refunded([charge], amount), dispute=_dispute(disputes), method=method(charge),
    )  # fmt: skip


def is_plan(invoice: Thing) -> bool:
    """Whether an invoice is for a plan of ours."""
    details = subscribed(invoice)
    return bool(details) and (ours(details.get("metadata")) or _item(invoice["lines"]["data"]).startswith("gesso_"))


def subscribed(invoice: Thing) -> Thing:
    """Return what an invoice says about its subscription, or nothing."""
    return (invoice["parent"] or {}).get("subscription_details") or {}


def month(invoice: Thing, charges: Sequence[Thing], disputes: Sequence[Thing]) -> protocol.PaymentState:
    """Return a payment for a plan: its invoice, and the charges that paid it."""
    lines, details = invoice["lines"]["data"], subscribed(invoice)
    paid_at = invoice["status_transitions"]["paid_at"] if invoice["status"] == "paid" else None
    amount = net(invoice)
    return protocol.PaymentState(
        id=invoice["id"], order=str((details.get("metadata") or {}).get("order", "")),
        subscription=details["subscription"], customer=invoice["customer"] or "",
        reason=_REASONS.get(invoice["billing_reason"], "change"), item=_item_id(_item(lines)), amount=amount,
        currency=invoice["currency"], live=invoice["livemode"], paid_at=_time(paid_at) if paid_at else None,
        period_end=_time(max(line["period"]["end"] for line in lines)) if lines else None,
        refunded=_refunded(charges, amount), dispute=_dispute(disputes),
        method=method(charges[0]) if charges else "",
    )  # fmt: skip


def subscription(thing: Thing) -> Iterator[protocol.SubscriptionState]:
    """Yield how a subscription stands; nothing before its first payment was tried to the end."""
    state = _STATES.get(thing["status"])
    if state is None:
        return
    item = thing["items"]["data"][0]
    yield protocol.SubscriptionState(
        id=thing["id"], order=str(thing["metadata"].get("order", "")), customer=thing["customer"],
        item=_item_id(item["price"]["product"]), live=thing["livemode"], state=state,
        period_end=_time(item["current_period_end"]),
        # The portal sets a date where the API sets the flag.
        cancels_at_period_end=bool(thing["cancel_at_period_end"] or thing["cancel_at"]),
    )  # fmt: skip


def method(charge: Thing) -> str:
    """Return how it was paid, as a receipt says it: "Visa ending 4242"."""
    details = charge.get("payment_method_details") or {}
    kind = str(details.get("type") or "")
    about = details.get(kind) or {}
    brand = str(about.get("brand") or "") if kind == "card" else ""
    name = _BRANDS.get(brand, brand.replace("_", " ").title()) if brand else ""
    name = name or _METHODS.get(kind, kind.replace("_", " ").capitalize())
    return f"{name} ending {about['last4']}" if name and about.get("last4") else name


def before_tax(session: Thing) -> int:
    """Return what a checkout cost before tax and after discounts."""
    discount = (session.get("total_details") or {}).get("amount_discount") or 0
    return int(session["amount_subtotal"] - discount)


def net(invoice: Thing) -> int:
    """Return what an invoice asks for before tax and after discounts."""
    return int(invoice["subtotal"] - sum(row["amount"] for row in invoice.get("total_discount_amounts") or ()))


def with_tax(amount: int, whole: int, total: int) -> int:
    """Return how much of `total` (what was charged) goes back for `amount` of `whole` (before tax), rounded up."""
    return -(-amount * total // whole)


def _refunded(charges: Sequence[Thing], amount: int) -> int:
    """Return what went back, in the measure of `amount`, which may be less than was charged by the tax."""
    total = sum(charge.get("amount", 0) for charge in charges)
    back = sum(charge.get("amount_refunded", 0) for charge in charges)
    return amount * back // total if total else 0


def _dispute(disputes: Sequence[Thing]) -> protocol.Dispute:
    found = {_standing(row) for row in disputes}
    return next((word for word in _WORST if word in found), "")


def _standing(dispute: Thing) -> protocol.Dispute:
    if dispute["status"] == "prevented":  # settled before it began, with or without our money
        gone = sum(row["amount"] for row in dispute["balance_transactions"]) < 0
        return "lost" if gone else ""
    return _DISPUTES.get(dispute["status"], "")


def _item(lines: Sequence[Thing]) -> str:
    """Return the product of the line that costs most: after a change the others give something back."""
    dearest = max(lines, key=lambda line: int(line["amount"]), default={})
    return str(((dearest.get("pricing") or {}).get("price_details") or {}).get("product") or "")


def _item_id(product: str) -> str:
    return product.removeprefix(PRODUCT.format(kind="plan", item=""))


def _time(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
