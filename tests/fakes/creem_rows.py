"""The rows of the fake Creem, with the fields of its published API description (SDK 1.13). Amounts are in cents."""

import datetime
import secrets
from typing import Any

Row = dict[str, Any]

TAX_PERCENT = 21


def number(prefix: str) -> str:
    """Return a new id."""
    return f"{prefix}_{secrets.token_hex(11)}"


def iso(moment: datetime.datetime) -> str:
    """Return a time as checkouts and subscriptions have it."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(moment: datetime.datetime) -> int:
    """Return a time as transactions and events have it."""
    return int(moment.timestamp() * 1000)


def product(product_id: str, price: int, currency: str, *, monthly: bool, mode: str, now: datetime.datetime) -> Row:
    """Return a product: tax comes on top of its price."""
    return {
        "id": product_id, "mode": mode, "object": "product", "name": product_id, "description": product_id,
        "price": price, "currency": currency.upper(), "billing_type": "recurring" if monthly else "onetime",
        "billing_period": "every-month" if monthly else "once", "status": "active", "tax_mode": "exclusive",
        "tax_category": "saas", "created_at": iso(now), "updated_at": iso(now),
    }  # fmt: skip


def checkout(asked: Row, product_: Row, *, url: str, mode: str) -> Row:
    """Return a checkout that waits; `url` is where its page is, before its id."""
    made = number("ch")
    return {
        "id": made, "mode": mode, "object": "checkout", "status": "pending", "product": product_["id"], "units": 1,
        "checkout_url": f"{url}/{made}", "success_url": asked.get("success_url"), "request_id": asked.get("request_id"),
        "metadata": asked.get("metadata") or {}, "custom_fields": [],
    }  # fmt: skip


def order(product_: Row, customer: str, *, mode: str, now: datetime.datetime) -> Row:
    """Return Creem's own order, which is not ours: a checkout makes one when somebody pays."""
    return {
        "id": number("ord"), "mode": mode, "object": "order", "customer": customer, "product": product_["id"],
        "amount": product_["price"], "currency": product_["currency"], "status": "pending",
        "type": product_["billing_type"], "transaction": None, "created_at": iso(now), "updated_at": iso(now),
    }  # fmt: skip


def transaction(
    amount: int, currency: str, *, customer: str, order_id: str | None, subscription: str | None, mode: str,
    now: datetime.datetime, period: tuple[datetime.datetime, datetime.datetime] | None = None, status: str = "paid",
) -> Row:  # fmt: skip
    """Return a transaction: `invoice` for a subscription, `payment` for what is bought once."""
    tax = amount * TAX_PERCENT // 100
    row: Row = {
        "id": number("tran"), "mode": mode, "object": "transaction", "amount": amount, "amount_paid": amount + tax,
        "currency": currency, "type": "invoice" if subscription else "payment", "tax_country": "NL", "tax_amount": tax,
        "status": status, "refunded_amount": None, "order": order_id, "subscription": subscription,
        "customer": customer, "description": "Subscription payment" if subscription else "Payment",
        "created_at": milliseconds(now),
    }  # fmt: skip
    if period:
        row |= {"period_start": milliseconds(period[0]), "period_end": milliseconds(period[1])}
    return row


def subscription(
    checkout_: Row, product_: Row, customer: str, *, mode: str, now: datetime.datetime, end: datetime.datetime
) -> Row:
    """Return a subscription that has just begun; the checkout's metadata is copied."""
    return {
        "id": number("sub"), "mode": mode, "object": "subscription", "product": product_, "customer": customer,
        "collection_method": "charge_automatically", "status": "active", "last_transaction_id": None,
        "current_period_start_date": iso(now), "current_period_end_date": iso(end), "next_transaction_date": iso(end),
        "canceled_at": None, "created_at": iso(now), "updated_at": iso(now), "metadata": dict(checkout_["metadata"]),
    }  # fmt: skip
