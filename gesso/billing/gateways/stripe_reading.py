"""Fetching from Stripe what belongs together: a checkout with its payment, a subscription with its months.

Invariants: a payment has one id for us, whichever of its parts was named: the payment intent of a pack, the invoice of
a month. What came of no sale here is passed over, because an account may sell other things, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gesso.billing.gateways import protocol, stripe_states
from gesso.billing.gateways.stripe_wire import Thing, Wire

NEWEST = 3  # months of a subscription that are looked at; reconciliation names older ones
_ENDED_BADLY = frozenset({"requires_payment_method", "canceled", "past_due", "unpaid", "incomplete_expired"})


class Reading:
    """Looks, each a few requests. Ids are of the right form. Raises stripe_wire.NotThere, Unavailable, Refused."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._api = wire.api

    def checkout(self, number: str) -> Iterator[protocol.State]:
        """Yield a checkout, and the payment or subscription that came of it."""
        expand = {"expand": ["payment_intent.latest_charge", "subscription"]}
        session = self._wire.ask(self._api.checkout.sessions.retrieve, number, expand)
        if not stripe_states.ours(session["metadata"]):
            return
        intent, plan = session["payment_intent"], session["subscription"]
        outcome = (intent or plan or {}).get("status")
        failed = session["payment_status"] == "unpaid" and outcome in _ENDED_BADLY
        yield stripe_states.checkout(session, failed=failed)
        if intent:
            yield stripe_states.pack(intent, session, self._disputes([intent["latest_charge"]]))
        if plan:
            yield from self._months_and(plan)

    def subscription(self, number: str) -> Iterator[protocol.State]:
        """Yield a subscription and its newest payments."""
        yield from self._months_and(self._wire.ask(self._api.subscriptions.retrieve, number))

    def payment(self, number: str) -> Iterator[protocol.State]:
        """Yield the payment that an id of any of its parts names; of a plan its subscription, too."""
        parts: Mapping[str, Any] = {
            "ch": self._api.charges, "py": self._api.charges, "re": self._api.refunds, "pyr": self._api.refunds,
            "dp": self._api.disputes, "du": self._api.disputes,
        }  # fmt: skip
        prefix = number.partition("_")[0]
        if prefix in parts:
            number, prefix = self._wire.ask(parts[prefix].retrieve, number)["payment_intent"] or "", "pi"
        invoice = self._invoice_of(number) if prefix == "pi" and number else number
        if invoice:
            yield from self._invoice(invoice)
        elif number:
            yield from self._pack(number)

    def intent_of(self, payment: str) -> tuple[Thing, int]:
        """Return the payment intent of a payment and what the payment is for us, before tax."""
        if not payment.startswith("in_"):
            intent, session = self._intent(payment), self._session_of(payment)
            return intent, stripe_states.before_tax(session) if session else intent["amount"]
        invoice = self._wire.ask(self._api.invoices.retrieve, payment, {"expand": ["payments"]})
        intents = _intents(invoice)
        if len(intents) != 1:
            raise protocol.Refused("The invoice was not paid by one payment; refund it in Stripe's dashboard.")
        return self._intent(intents[0]), stripe_states.net(invoice)

    def _pack(self, number: str) -> Iterator[protocol.State]:
        intent = self._intent(number)
        if stripe_states.ours(intent["metadata"]):
            yield stripe_states.pack(intent, self._session_of(number), self._disputes([intent["latest_charge"]]))

    def _invoice(self, number: str) -> Iterator[protocol.State]:
        invoice = self._wire.ask(self._api.invoices.retrieve, number, {"expand": ["payments"]})
        if stripe_states.is_plan(invoice):
            yield self._month(invoice)
            plan = self._wire.ask(self._api.subscriptions.retrieve, stripe_states.subscribed(invoice)["subscription"])
            if invoice["status"] == "paid" or self._paid(plan, 1):
                yield from stripe_states.subscription(plan)

    def _months_and(self, plan: Thing) -> Iterator[protocol.State]:
        """Yield a subscription and its newest payments; one that was never paid gives nobody anything."""
        invoices = self._paid(plan, NEWEST)
        for invoice in invoices:
            yield self._month(invoice)
        if invoices:
            yield from stripe_states.subscription(plan)

    def _paid(self, plan: Thing, most: int) -> list[Thing]:
        params = {"subscription": plan["id"], "status": "paid", "limit": most, "expand": ["data.payments"]}
        return [row for row in self._wire.rows(self._api.invoices.list, params) if stripe_states.is_plan(row)]

    def _month(self, invoice: Thing) -> protocol.PaymentState:
        charges = [self._intent(number)["latest_charge"] for number in _intents(invoice)]
        return stripe_states.month(invoice, charges, self._disputes(charges))

    def _intent(self, number: str) -> Thing:
        return self._wire.ask(self._api.payment_intents.retrieve, number, {"expand": ["latest_charge"]})

    def _invoice_of(self, intent: str) -> str:
        words = {"payment": {"type": "payment_intent", "payment_intent": intent}}
        rows = self._wire.rows(self._api.invoice_payments.list, words)
        return str(rows[0]["invoice"]) if rows else ""

    def _session_of(self, intent: str) -> Thing | None:
        rows = self._wire.rows(self._api.checkout.sessions.list, {"payment_intent": intent})
        return rows[0] if rows else None

    def _disputes(self, charges: Sequence[Thing | None]) -> list[Thing]:
        disputed = [charge["id"] for charge in charges if charge and charge["disputed"]]
        return [row for number in disputed for row in self._wire.rows(self._api.disputes.list, {"charge": number})]


def _intents(invoice: Thing) -> list[str]:
    """Return the payments that paid an invoice."""
    rows = (invoice.get("payments") or {}).get("data") or []
    return [
        row["payment"]["payment_intent"] for row in rows
        if row["status"] == "paid" and row["payment"].get("payment_intent")
    ]  # fmt: skip
