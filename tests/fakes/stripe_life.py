"""What happens at the fake Stripe when somebody pays, does not pay, wants the money back, or a month goes by.

Each function changes the book and notes the events that Stripe sends, in Stripe's order. Amounts are in the smallest
unit; `tax` is a percentage that is added on top.
"""

import time
from typing import Any

from tests.fakes.stripe_book import Book, Thing, listing, next_month

CARD = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034, "funding": "credit", "country": "US",
        "network": "visa", "wallet": None}  # fmt: skip


class Declined(Exception):
    """The card was declined: status 402."""


def customer(book: Book, email: str) -> Thing:
    """Make a customer."""
    made = book.make("customer", email=email, name=None, balance=0, currency=None, delinquent=False, description=None)
    book.say("customer.created", made)
    return made


def price(book: Book, data: Thing) -> Thing:
    """Make the price that `price_data` describes."""
    recurring = data.get("recurring")
    if recurring:
        recurring = {"interval": recurring["interval"], "interval_count": int(recurring.get("interval_count", 1)),
                     "usage_type": "licensed", "meter": None, "trial_period_days": None}  # fmt: skip
    amount = int(data["unit_amount"])
    return book.make(
        "price", active=False, billing_scheme="per_unit", currency=data["currency"].lower(), lookup_key=None,
        nickname=None, product=data["product"], recurring=recurring, tax_behavior=data.get("tax_behavior", "unspecified"),
        type="recurring" if recurring else "one_time", unit_amount=amount, unit_amount_decimal=str(amount),
    )  # fmt: skip


def pay(book: Book, session: Thing, *, delayed: bool = False) -> None:
    """Complete a checkout; a delayed payment stays unpaid until `settle`."""
    assert session["status"] == "open", "the checkout is not open any more"
    if session["customer"] is None:
        session["customer"] = customer(book, session["customer_email"] or "payer@example.com")["id"]
    session["customer_details"] = {"email": book.get(session["customer"])["email"], "name": "A Payer"}
    if session["mode"] == "payment":
        intent = _intent_of(book, session)
        _charge(book, intent, delayed=delayed)
    else:
        _subscribe(book, session, delayed=delayed)
    session |= {"status": "complete", "payment_status": "unpaid" if delayed else "paid", "url": None}
    book.say("checkout.session.completed", session)


def decline(book: Book, session: Thing) -> None:
    """Let a card be declined on the checkout's page, which stays open."""
    if session["mode"] == "payment":
        intent = _intent_of(book, session)
        intent |= {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}
        book.say("payment_intent.payment_failed", intent)


def settle(book: Book, session: Thing, *, paid: bool = True) -> None:
    """Let a delayed payment arrive after all, or fail."""
    assert session["status"] == "complete"
    assert session["payment_status"] == "unpaid"
    invoice = book.get(session["invoice"]) if session["invoice"] else None
    intent = book.get(_intent_number(book, invoice) if invoice else session["payment_intent"])
    if not paid:
        charge = book.get(intent["latest_charge"])
        charge |= {"status": "failed", "paid": False, "failure_code": "insufficient_funds"}
        intent |= {"status": "requires_payment_method", "last_payment_error": {"code": "insufficient_funds"}}
        book.say("payment_intent.payment_failed", intent)
        if invoice:
            _unpaid(book, invoice)
        book.say("checkout.session.async_payment_failed", session)
        return
    _arrived(book, intent)
    session["payment_status"] = "paid"
    if invoice:
        _invoice_paid(book, invoice)
    book.say("checkout.session.async_payment_succeeded", session)


def renew(book: Book, subscription: Thing, *, paid: bool = True) -> Thing:
    """Let a subscription's month end. Returns the invoice of the next, or None-like {} where it ended instead."""
    item = subscription["items"]["data"][0]
    if subscription["cancel_at_period_end"] or subscription["cancel_at"]:
        end(book, subscription)
        return {}
    begin = item["current_period_end"]
    item |= {"current_period_start": begin, "current_period_end": next_month(begin)}
    line = _line(book, subscription, item["price"], item["price"]["unit_amount"], begin, item["current_period_end"])
    invoice = _invoice(book, subscription, "subscription_cycle", [line])
    if paid:
        collect(book, invoice)
    else:
        _intent_for(book, invoice, status="requires_payment_method")
        _unpaid(book, invoice)
    return invoice


def collect(book: Book, invoice: Thing) -> None:
    """Let an open invoice be paid, at once or after it had failed."""
    number = _intent_number(book, invoice)
    intent = book.get(number) if number else _intent_for(book, invoice)
    _charge(book, intent)
    _invoice_paid(book, invoice)
    subscription = book.get(_subscription_number(invoice))
    if subscription["status"] != "active":
        subscription["status"] = "active"
    book.say("customer.subscription.updated", subscription)


def end(book: Book, subscription: Thing) -> None:
    """Let a subscription be over now."""
    subscription |= {"status": "canceled", "ended_at": int(time.time()), "canceled_at": int(time.time())}
    book.say("customer.subscription.deleted", subscription)


def change(book: Book, subscription: Thing, new: Thing, *, prorate: bool, declined: bool = False) -> None:
    """Give a subscription another price, invoicing the difference for what is left of the month if asked to."""
    item = subscription["items"]["data"][0]
    begin, until = item["current_period_start"], item["current_period_end"]
    now = min(max(int(time.time()), begin), until)
    if prorate:
        if declined:
            raise Declined
        share = (until - now) / (until - begin)
        credited = subscription["_paid_for"]  # flexible billing credits what was paid, not what was chosen since
        lines = [
            _line(book, subscription, credited, -round(credited["unit_amount"] * share), now, until, prorated=True),
            _line(book, subscription, new, round(new["unit_amount"] * share), now, until, prorated=True),
        ]
        item["price"] = new
        collect(book, _invoice(book, subscription, "subscription_update", lines))
    else:
        item["price"] = new
        book.say("customer.subscription.updated", subscription)


def refund(book: Book, intent: Thing, amount: int, *, status: str = "succeeded") -> Thing:
    """Send money back."""
    charge = book.get(intent["latest_charge"])
    made = book.make(
        "refund", amount=amount, charge=charge["id"], currency=charge["currency"], payment_intent=intent["id"],
        reason=None, status=status, failure_reason=None, pending_reason=None, destination_details=None,
    )  # fmt: skip
    del made["livemode"]  # as Stripe's has none
    _refunded(charge, amount)
    book.say("refund.created", made)
    book.say("charge.refunded", charge)
    return made


def refund_failed(book: Book, made: Thing) -> None:
    """Let money that was sent back come home again."""
    made |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    _refunded(book.get(made["charge"]), -made["amount"])
    book.say("refund.failed", made)
    book.say("refund.updated", made)


def dispute(book: Book, intent: Thing, status: str = "needs_response") -> Thing:
    """Open a dispute about a payment; `warning_needs_response` is only an inquiry."""
    charge = book.get(intent["latest_charge"])
    charge["disputed"] = True
    made = book.make(
        "dispute", amount=charge["amount"], charge=charge["id"], currency=charge["currency"], evidence={},
        payment_intent=intent["id"], reason="fraudulent", status=status, is_charge_refundable=False,
        balance_transactions=[], evidence_details={"has_evidence": False, "past_due": False, "submission_count": 0},
    )  # fmt: skip
    book.say("charge.dispute.created", made)
    return made


def decide(book: Book, made: Thing, status: str) -> None:
    """Close a dispute: won, lost, warning_closed."""
    made["status"] = status
    book.say("charge.dispute.closed", made)


def _refunded(charge: Thing, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]


def _intent_of(book: Book, session: Thing) -> Thing:
    if session["payment_intent"] is None:
        made = _intent(
            book, session["amount_total"], session["currency"], session["customer"], session["_intent_metadata"]
        )
        session["payment_intent"] = made["id"]
    intent = book.get(session["payment_intent"])
    intent["customer"] = session["customer"]
    return intent


def _intent(book: Book, amount: int, currency: str, payer: str | None, metadata: Thing, **fields: Any) -> Thing:
    return book.make(
        "payment_intent", amount=amount, amount_received=0, amount_capturable=0, capture_method="automatic_async",
        currency=currency, customer=payer, latest_charge=None, metadata=dict(metadata), payment_method_types=["card"],
        last_payment_error=None, canceled_at=None, **({"status": "requires_payment_method"} | fields),
    )  # fmt: skip


def _charge(book: Book, intent: Thing, *, delayed: bool = False) -> None:
    made = book.make(
        "charge", amount=intent["amount"], amount_captured=intent["amount"], amount_refunded=0, captured=True,
        currency=intent["currency"], customer=intent["customer"], disputed=False, failure_code=None,
        metadata=dict(intent["metadata"]), paid=True, payment_intent=intent["id"], refunded=False,
        payment_method_details={"type": "sepa_debit", "sepa_debit": {"last4": "3000", "bank_code": "37040044"}}
        if delayed else {"type": "card", "card": dict(CARD)},
        status="pending" if delayed else "succeeded",
    )  # fmt: skip
    intent |= {"latest_charge": made["id"], "status": "processing", "last_payment_error": None}
    if delayed:
        book.say("payment_intent.processing", intent)
    else:
        _arrived(book, intent)


def _arrived(book: Book, intent: Thing) -> None:
    charge = book.get(intent["latest_charge"])
    charge |= {"status": "succeeded", "paid": True}
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    book.say("charge.succeeded", charge)
    book.say("payment_intent.succeeded", intent)


def _subscribe(book: Book, session: Thing, *, delayed: bool) -> None:
    now, bought = int(time.time()), session["_price"]
    made = book.make(
        "subscription", billing_cycle_anchor=now, billing_mode={"type": "flexible", "flexible": {}}, cancel_at=None,
        cancel_at_period_end=False, canceled_at=None, collection_method="charge_automatically", ended_at=None,
        currency=session["currency"], customer=session["customer"], latest_invoice=None, pending_update=None,
        metadata=dict(session["_subscription_metadata"]), start_date=now, status="active", trial_end=None,
        _tax=session["_tax"], _paid_for=bought,
    )  # fmt: skip
    item = book.make(
        "subscription_item", current_period_start=now, current_period_end=next_month(now), price=bought, quantity=1,
        subscription=made["id"], discounts=[], billed_until=next_month(now),
    )  # fmt: skip
    made["items"] = listing(f"/v1/subscription_items?subscription={made['id']}", [item])
    book.say("customer.subscription.created", made)
    line = _line(book, made, bought, bought["unit_amount"], now, item["current_period_end"])
    invoice = _invoice(book, made, "subscription_create", [line])
    intent = _intent_for(book, invoice)
    _charge(book, intent, delayed=delayed)
    session |= {"subscription": made["id"], "invoice": invoice["id"]}
    if not delayed:
        _invoice_paid(book, invoice)


def _line(
    book: Book, subscription: Thing, of: Thing, amount: int, begin: int, until: int, *, prorated: bool = False
) -> Thing:
    made = book.make(
        "line_item", amount=amount, currency=of["currency"], description="A month", discountable=not prorated,
        discount_amounts=[], discounts=[], invoice=None, period={"start": begin, "end": until}, quantity=1,
        parent={"type": "subscription_item_details", "invoice_item_details": None, "subscription_item_details": {
            "invoice_item": None, "proration": prorated, "proration_details": None,
            "subscription": subscription["id"], "subscription_item": subscription["items"]["data"][0]["id"],
        }},
        pricing={"type": "price_details", "price_details": {"price": of["id"], "product": of["product"]},
                 "unit_amount_decimal": str(of["unit_amount"])},
        subscription=subscription["id"], subtotal=amount, taxes=[],
    )  # fmt: skip
    made["_price"] = of
    return made


def _invoice(book: Book, subscription: Thing, reason: str, lines: list[Thing]) -> Thing:
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal + subtotal * subscription["_tax"] // 100
    made = book.make(
        "invoice", amount_due=total, amount_paid=0, amount_remaining=total, attempt_count=0, attempted=False,
        billing_reason=reason, collection_method="charge_automatically", currency=subscription["currency"],
        customer=subscription["customer"], discounts=[], hosted_invoice_url=None, number=None, status="open",
        parent={"type": "subscription_details", "quote_details": None, "subscription_details": {
            "metadata": dict(subscription["metadata"]), "subscription": subscription["id"],
            "subscription_proration_date": None,
        }},
        period_start=int(time.time()), period_end=int(time.time()), starting_balance=0, subtotal=subtotal, total=total,
        total_discount_amounts=[], total_excluding_tax=subtotal, subtotal_excluding_tax=subtotal, total_taxes=[],
        status_transitions={"finalized_at": int(time.time()), "marked_uncollectible_at": None, "paid_at": None,
                            "voided_at": None},
    )  # fmt: skip
    for line in lines:
        line["invoice"] = made["id"]
    made["lines"] = listing(f"/v1/invoices/{made['id']}/lines", lines)
    subscription["latest_invoice"] = made["id"]
    book.say("invoice.created", made)
    book.say("invoice.finalized", made)
    return made


def _intent_for(book: Book, invoice: Thing, **fields: Any) -> Thing:
    """Make the payment of an invoice. It does not carry the subscription's metadata, as Stripe's does not."""
    intent = _intent(book, invoice["amount_due"], invoice["currency"], invoice["customer"], {}, **fields)
    book.make(
        "invoice_payment", amount_paid=None, amount_requested=invoice["amount_due"], currency=invoice["currency"],
        invoice=invoice["id"], is_default=True, status="open", status_transitions={"canceled_at": None, "paid_at": None},
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
    )  # fmt: skip
    return intent


def _invoice_paid(book: Book, invoice: Thing) -> None:
    now = int(time.time())
    paid = next(book.all("invoice_payment", invoice=invoice["id"]))
    paid |= {"status": "paid", "amount_paid": invoice["amount_due"]}
    paid["status_transitions"]["paid_at"] = now
    invoice |= {"status": "paid", "amount_paid": invoice["amount_due"], "amount_remaining": 0, "attempted": True,
                "attempt_count": invoice["attempt_count"] + 1, "number": f"F{invoice['id'][3:9]}"}  # fmt: skip
    invoice["status_transitions"]["paid_at"] = now
    book.get(_subscription_number(invoice))["_paid_for"] = invoice["lines"]["data"][-1]["_price"]
    book.say("invoice.paid", invoice)
    book.say("invoice.payment_succeeded", invoice)


def _unpaid(book: Book, invoice: Thing) -> None:
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    book.say("invoice.payment_failed", invoice)
    subscription = book.get(_subscription_number(invoice))
    subscription["status"] = "past_due"
    book.say("customer.subscription.updated", subscription)


def _subscription_number(invoice: Thing) -> str:
    number: str = invoice["parent"]["subscription_details"]["subscription"]
    return number


def _intent_number(book: Book, invoice: Thing) -> str:
    found = next(book.all("invoice_payment", invoice=invoice["id"]), None)
    return found["payment"]["payment_intent"] if found else ""
