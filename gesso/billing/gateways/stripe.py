"""Stripe as a gateway: Checkout, subscriptions, the portal, refunds, webhooks.

Invariants: only ids of the right form are put into an address; what makes a checkout or sends money back carries a key
of ours, so that the same again is not a second one. What answers mean is `stripe_states`', what hangs on what
`stripe_reading`'s, what webhooks say `stripe_events`'. Discounts and promotion codes are not offered.
"""

import contextlib
import dataclasses
import datetime
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence

import stripe

from gesso.billing.gateways import protocol, stripe_events, stripe_reading, stripe_states, stripe_wire
from gesso.billing.gateways.stripe_wire import Thing

API = "https://api.stripe.com"
PAGES = ("https://checkout.stripe.com", "https://billing.stripe.com")


class Stripe:
    """Packs are known by their payment intent (pi_), months of a plan by their invoice (in_)."""

    name = "stripe"
    lists_products = False
    received = 202

    def __init__(self, api_key: str, webhook_secret: str, base_url: str) -> None:
        self.live = api_key.startswith(("sk_live_", "rk_live_"))
        address = urllib.parse.urlsplit(base_url)
        self.page_origins: tuple[str, ...] = (
            PAGES if base_url.rstrip("/") == API else (f"{address.scheme}://{address.netloc}",)
        )
        self._webhook_secret = webhook_secret
        self._wire = stripe_wire.Wire(api_key, base_url)
        self._api = self._wire.api
        self._reading = stripe_reading.Reading(self._wire)
        self._products: dict[str, str] = {}  # our products at Stripe, with the names that they are known to have

    def open_checkout(self, sale: protocol.Sale) -> protocol.Checkout:
        """Make Stripe's page for this sale; it is open for a day. The same order again is the same checkout."""
        self._name_product(sale)
        try:
            return self._open(sale, f"gesso-checkout-{sale.order}")
        except stripe_wire.NotThere:
            if not sale.customer:
                raise
            # The customer is of the other mode, from before a key was changed, or was deleted: Stripe makes another.
            return self._open(dataclasses.replace(sale, customer=""), f"gesso-checkout-{sale.order}-anew")

    def _open(self, sale: protocol.Sale, key: str) -> protocol.Checkout:
        marks = {"order": sale.order, "item": sale.item}
        params: Thing = {
            "mode": "subscription" if sale.kind == "plan" else "payment",
            "line_items": [{"price_data": _price(sale), "quantity": 1}],
            "client_reference_id": sale.order, "metadata": marks,
            "success_url": sale.success_url, "cancel_url": sale.cancel_url,
            # No `expires_at`: with the day that Stripe gives by itself, asking again is the same request.
            "subscription_data" if sale.kind == "plan" else "payment_intent_data": {"metadata": marks},
        }  # fmt: skip
        params |= {"customer": sale.customer} if sale.customer else {"customer_email": sale.email}
        if sale.kind == "pack" and not sale.customer:
            params["customer_creation"] = "always"
        made = self._wire.ask(self._api.checkout.sessions.create, params, {"idempotency_key": key})
        return protocol.Checkout(made["id"], made["url"])

    def hear(self, body: bytes, headers: Mapping[str, str]) -> protocol.Notice:
        """Prove a webhook by its raw body and headers. Raises BadSignature."""
        stripe_events.verify(body, headers.get("stripe-signature", ""), self._webhook_secret, time.time())
        return stripe_events.notice(body, stripe.api_version)

    def look(self, subject: protocol.Subject) -> Sequence[protocol.State]:
        """Fetch how the subject stands and what hangs on it; nothing if it is not there, or came of no sale here."""
        if stripe_events.subject(subject.id) != subject:
            raise protocol.Refused(f"{subject.id[:40]!r} is no id of a {subject.kind} at Stripe.")
        looks = {
            "checkout": self._reading.checkout, "payment": self._reading.payment,
            "subscription": self._reading.subscription,
        }  # fmt: skip
        try:
            return list(looks[subject.kind](subject.id))
        except stripe_wire.NotThere:
            return []

    def changed_since(self, moment: datetime.datetime) -> Iterator[protocol.Subject]:
        """Yield what Stripe's own list of events names since `moment`, newest first, each once."""
        params: Thing = {"created": {"gte": int(moment.timestamp())}, "types": list(stripe_events.TYPES)}
        seen: set[protocol.Subject] = set()
        for event in self._wire.every(self._api.events.list, params):
            for subject in stripe_events.subjects(event):
                if subject not in seen:
                    seen.add(subject)
                    yield subject

    def portal(self, customer: str, return_url: str) -> str:
        """Return the address of the customer portal."""
        params = {"customer": customer, "return_url": return_url}
        return str(self._wire.ask(self._api.billing_portal.sessions.create, params)["url"])

    def change_plan(self, subscription: str, sale: protocol.Sale, *, now: bool) -> None:
        """Move a subscription to another plan: `now` is paid at once or refused, and then nothing changed."""
        item = self._subscription(subscription)["items"]["data"][0]
        wanted = _price(sale)
        if (item["price"]["product"], item["price"]["unit_amount"]) == (wanted["product"], wanted["unit_amount"]):
            return  # pressed twice
        self._name_product(sale)
        params: Thing = {"items": [{"id": item["id"], "price_data": wanted}], "proration_behavior": "none"}
        if now:
            params |= {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
        # No key of ours: a card that was declined would stay declined for a day, whatever card there is by then.
        self._wire.ask(self._api.subscriptions.update, subscription, params)

    def cancel_at_period_end(self, subscription: str) -> None:
        """Let the subscription run out."""
        self._wire.ask(self._api.subscriptions.update, _checked(subscription), {"cancel_at_period_end": True})

    def resume(self, subscription: str) -> None:
        """Undo `cancel_at_period_end`, or the date that the portal set instead."""
        found = self._subscription(subscription)
        by_date = found["cancel_at"] and not found["cancel_at_period_end"]
        params: Thing = {"cancel_at": ""} if by_date else {"cancel_at_period_end": False}
        self._wire.ask(self._api.subscriptions.update, subscription, params)

    def refund(self, payment: str, amount: int | None, key: str) -> None:
        """Send `amount`, before tax, of a payment back, with the tax on it; None: all that is left."""
        if not payment.startswith(("pi_", "in_")) or stripe_events.subject(payment) is None:
            raise protocol.Refused("There is no such payment.")
        intent, whole = self._reading.intent_of(payment)
        params: Thing = {"payment_intent": intent["id"]}
        if amount is not None:
            params["amount"] = stripe_states.with_tax(amount, whole, intent["amount"])
        self._wire.ask(self._api.refunds.create, params, {"idempotency_key": f"gesso-refund-{key}"})

    def _subscription(self, number: str) -> Thing:
        return self._wire.ask(self._api.subscriptions.retrieve, _checked(number))

    def _name_product(self, sale: protocol.Sale) -> None:
        """Have the product of what is sold at Stripe, under an id of ours and with the name of today."""
        number = _price(sale)["product"]
        if self._products.get(number) == sale.name:
            return
        try:
            self._wire.ask(self._api.products.update, number, {"name": sale.name, "active": True})
        except stripe_wire.NotThere:
            with contextlib.suppress(stripe_wire.ThereAlready):  # another process was faster
                self._wire.ask(self._api.products.create, {"id": number, "name": sale.name})
        self._products[number] = sale.name


def _checked(subscription: str) -> str:
    found = stripe_events.subject(subscription)
    if found is None or found.kind != "subscription":
        raise protocol.Refused("There is no such subscription.")
    return subscription


def _price(sale: protocol.Sale) -> Thing:
    price: Thing = {
        "product": stripe_states.PRODUCT.format(kind=sale.kind, item=sale.item), "currency": sale.currency,
        "unit_amount": sale.amount,
    }  # fmt: skip
    return price | ({"recurring": {"interval": "month"}} if sale.kind == "plan" else {})
