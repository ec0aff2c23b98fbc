"""The endpoints of the fake Stripe: reading parameters as strictly as Stripe does, and what each answers.

`answer` is the only door. HTTP itself, keys and idempotency are `stripe_server`'s.
"""

import re
import time
from collections.abc import Callable
from typing import Any

from tests.fakes import stripe_life as life
from tests.fakes.stripe_book import Book, Thing, listing, shown
from tests.fakes.stripe_form import flag

_SESSION = {
    "mode", "line_items", "client_reference_id", "metadata", "payment_intent_data", "subscription_data", "customer",
    "customer_email", "customer_creation", "success_url", "cancel_url", "expires_at", "allow_promotion_codes",
    "automatic_tax", "ui_mode", "payment_method_types", "locale", "expand",
}  # fmt: skip
_UPDATE = {"items", "metadata", "proration_behavior", "payment_behavior", "cancel_at_period_end", "cancel_at", "expand"}
_PATHS = {
    "customers": "customer", "products": "product", "checkout/sessions": "checkout.session", "refunds": "refund",
    "payment_intents": "payment_intent", "charges": "charge", "invoices": "invoice", "disputes": "dispute",
    "invoice_payments": "invoice_payment", "subscriptions": "subscription", "events": "event", "prices": "price",
}  # fmt: skip
_FILTERS = {"customer", "subscription", "payment_intent", "charge", "invoice", "status", "type"}


class Mistake(Exception):
    """An answer that is an error, in Stripe's words."""

    def __init__(self, status: int, message: str, *, code: str = "", param: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": kind or "invalid_request_error"}
        self.error |= {name: value for name, value in (("code", code), ("param", param)) if value}


class Api:
    """The endpoints over one book. `origin` is where the hosted pages are."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.origin = ""
        self.tax = 0  # percent, added to every checkout from now on
        self.declines = False  # whether cards are declined when a subscription is changed

    def answer(self, method: str, path: str, params: dict[str, Any]) -> Thing:
        """Return what a call is answered. Raises Mistake."""
        route = path.removeprefix("/v1/").strip("/")
        with self.book.lock:
            made = self._answer(method, route, params)
            names = params.get("expand") or []
            for name in names if isinstance(names, list) else [names]:
                self._expand(made, name.split("."))
            return made

    def _answer(self, method: str, route: str, params: dict[str, Any]) -> Thing:
        for wanted, pattern, act in _ROUTES:
            match = re.fullmatch(pattern, route)
            if match and wanted == method:
                return shown(act(self, params, *match.groups()))
        collection, _, number = route.rpartition("/")
        if method == "GET" and route in _PATHS:
            return self._list(route, params)
        if method == "GET" and collection in _PATHS:
            return shown(self.known(_PATHS[collection], number))
        raise Mistake(404, f"Unrecognized request URL ({method}: /v1/{route}).")

    def known(self, kind: str, number: str, param: str = "id") -> Thing:
        """Return an object of a kind. Raises Mistake."""
        found = self.book.find(number, kind)
        if found is None:
            raise Mistake(404, f"No such {kind}: '{number}'", code="resource_missing", param=param)
        return found

    def _list(self, route: str, params: dict[str, Any]) -> Thing:
        rows = list(self.book.all(_PATHS[route]))
        wanted = {name: params[name] for name in _FILTERS & params.keys()}
        payment = params.get("payment", {}).get("payment_intent")
        types, created = params.get("types"), params.get("created", {})
        rows = [
            row for row in rows
            if all(_field(row, name) == value for name, value in wanted.items())
            and (payment is None or row["payment"]["payment_intent"] == payment)
            and (types is None or row["type"] in types)
            and row["created"] >= int(created.get("gte", 0)) and row["created"] > int(created.get("gt", -1))
        ]  # fmt: skip
        limit, after = int(params.get("limit", 10)), params.get("starting_after")
        if not 1 <= limit <= 100:
            raise Mistake(400, "This value must be between 1 and 100.", param="limit")
        if after:
            places = [place for place, row in enumerate(rows) if row["id"] == after]
            if not places:
                raise Mistake(400, f"No such object: '{after}'", code="resource_missing", param="starting_after")
            rows = rows[places[0] + 1 :]
        made = listing(f"/v1/{route}", [shown(row) for row in rows[:limit]])
        return made | {"has_more": len(rows) > limit}

    def _expand(self, thing: Any, path: list[str]) -> None:
        """Put the object where its id is; lists are gone through with "data"."""
        if isinstance(thing, list):
            for one in thing:
                self._expand(one, path)
            return
        if not path or thing is None:
            return
        name, *rest = path
        if name == "payments" and thing.get("object") == "invoice" and "payments" not in thing:
            rows = [shown(row) for row in self.book.all("invoice_payment", invoice=thing["id"])]
            thing["payments"] = listing(f"/v1/invoice_payments?invoice={thing['id']}", rows)
        elif name not in thing:
            raise Mistake(400, f"This property cannot be expanded ({name}).", param="expand")
        if isinstance(thing[name], str):
            thing[name] = shown(self.book.get(thing[name]))
        self._expand(thing[name], rest)

    def make_customer(self, params: dict[str, Any]) -> Thing:
        """POST customers."""
        return life.customer(self.book, params.get("email", ""))

    def make_product(self, params: dict[str, Any]) -> Thing:
        """POST products."""
        if self.book.find(params.get("id", ""), "product"):
            raise Mistake(400, "Product already exists.", code="resource_already_exists", param="id")
        return self.book.make(
            "product", id=params.get("id", ""), active=True, name=_needed(params, "name"), description=None,
            default_price=None, images=[], type="service", metadata=params.get("metadata", {}),
        )  # fmt: skip

    def change_product(self, params: dict[str, Any], number: str) -> Thing:
        """POST products/ID."""
        found = self.known("product", number)
        found |= {"name": params.get("name", found["name"]), "active": flag(params.get("active", "true"))}
        return found

    def open_session(self, params: dict[str, Any]) -> Thing:
        """POST checkout/sessions: one line item with `price_data`."""
        _only(params, _SESSION)
        mode, lines = _needed(params, "mode"), _needed(params, "line_items")
        subscribes = mode == "subscription"
        if subscribes and ("payment_intent_data" in params or "customer_creation" in params):
            raise Mistake(400, "You can not pass this in `subscription` mode.", param="payment_intent_data")
        if not subscribes and "subscription_data" in params:
            raise Mistake(400, "You can not pass `subscription_data` in `payment` mode.", param="subscription_data")
        if "customer" in params and ("customer_email" in params or "customer_creation" in params):
            raise Mistake(400, "You may only specify one of these parameters: customer, customer_email.")
        payer = self.known("customer", params["customer"], "customer")["id"] if "customer" in params else None
        expires = int(params.get("expires_at", time.time() + 86400))
        if not 1800 - 60 <= expires - time.time() <= 86400 + 60:
            raise Mistake(400, "`expires_at` must be 30 minutes to 24 hours from now.", param="expires_at")
        data = lines[0]["price_data"]
        self.known("product", data["product"], "line_items[0][price_data][product]")
        if subscribes != ("recurring" in data):
            raise Mistake(400, "The price has to be recurring in `subscription` mode, and only there.")
        made_price = life.price(self.book, data)
        subtotal = made_price["unit_amount"] * int(lines[0].get("quantity", 1))
        tax = subtotal * self.tax // 100
        made = self.book.make(
            "checkout.session", amount_subtotal=subtotal, amount_total=subtotal + tax, currency=made_price["currency"],
            automatic_tax={"enabled": False, "status": None}, cancel_url=params.get("cancel_url"), customer=payer,
            client_reference_id=params.get("client_reference_id"), customer_email=params.get("customer_email"),
            customer_details=None, expires_at=expires, invoice=None, metadata=params.get("metadata", {}), mode=mode,
            payment_intent=None, payment_status="unpaid", status="open", subscription=None, ui_mode="hosted_page",
            success_url=_needed(params, "success_url"), payment_method_types=["card", "sepa_debit"],
            total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": tax},
            _price=made_price, _name=self.book.get(data["product"])["name"], _tax=self.tax,
            _intent_metadata=params.get("payment_intent_data", {}).get("metadata", {}),
            _subscription_metadata=params.get("subscription_data", {}).get("metadata", {}),
        )  # fmt: skip
        made["url"] = f"{self.origin}/c/pay/{made['id']}"
        return made

    def expire_session(self, _params: dict[str, Any], number: str) -> Thing:
        """POST checkout/sessions/ID/expire."""
        found = self.known("checkout.session", number)
        if found["status"] != "open":
            raise Mistake(400, 'Only Checkout Sessions with a status in ["open"] can be expired.')
        found |= {"status": "expired", "url": None}
        self.book.say("checkout.session.expired", found)
        return found

    def change_subscription(self, params: dict[str, Any], number: str) -> Thing:
        """POST subscriptions/ID: another price, cancel at the end, metadata."""
        _only(params, _UPDATE)
        found = self.known("subscription", number)
        if found["status"] == "canceled":
            raise Mistake(400, "A canceled subscription can only update its cancellation_details and metadata.")
        if "items" in params:
            new = params["items"][0]
            if new.get("id") != found["items"]["data"][0]["id"]:
                raise Mistake(400, "The subscription item does not belong to it.", param="items[0][id]")
            self.known("product", new["price_data"]["product"], "items[0][price_data][product]")
            try:
                life.change(
                    self.book, found, life.price(self.book, new["price_data"]), declined=self.declines,
                    prorate=params.get("proration_behavior") == "always_invoice",
                )  # fmt: skip
            except life.Declined:
                raise Mistake(402, "Your card was declined.", code="card_declined", kind="card_error") from None
        found["metadata"] |= params.get("metadata", {})
        if "cancel_at_period_end" in params or "cancel_at" in params:
            found["cancel_at_period_end"] = flag(params.get("cancel_at_period_end", "false"))
            until = found["items"]["data"][0]["current_period_end"]
            found["cancel_at"] = int(params.get("cancel_at") or (until if found["cancel_at_period_end"] else 0)) or None
            self.book.say("customer.subscription.updated", found)
        return found

    def end_subscription(self, _params: dict[str, Any], number: str) -> Thing:
        """DELETE subscriptions/ID."""
        found = self.known("subscription", number)
        life.end(self.book, found)
        return found

    def make_refund(self, params: dict[str, Any]) -> Thing:
        """POST refunds, of a payment intent or a charge."""
        number = params.get("payment_intent") or self.known("charge", params.get("charge", ""))["payment_intent"]
        intent = self.known("payment_intent", number, "payment_intent")
        charge = self.book.find(intent["latest_charge"] or "", "charge")
        if charge is None or charge["status"] != "succeeded":
            raise Mistake(400, "This PaymentIntent does not have a successful charge to refund.")
        left = charge["amount"] - charge["amount_refunded"]
        amount = int(params.get("amount", left))
        if left == 0:
            raise Mistake(400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        if not 1 <= amount <= left:
            raise Mistake(
                400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
            )
        return life.refund(self.book, intent, amount)

    def open_portal(self, params: dict[str, Any]) -> Thing:
        """POST billing_portal/sessions."""
        payer = self.known("customer", _needed(params, "customer"), "customer")
        made = self.book.make(
            "billing_portal.session", customer=payer["id"], return_url=params.get("return_url"), locale=None, flow=None
        )
        return made | {"url": f"{self.origin}/p/session/{made['id']}"}


def _field(row: Thing, name: str) -> Any:
    if name == "subscription" and row["object"] == "invoice":
        return row["parent"]["subscription_details"]["subscription"]
    return row.get(name)


def _needed(params: dict[str, Any], name: str) -> Any:
    if not params.get(name):
        raise Mistake(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    return params[name]


def _only(params: dict[str, Any], names: set[str]) -> None:
    for name in params:
        if name not in names:
            raise Mistake(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


_ROUTES: tuple[tuple[str, str, Callable[..., Thing]], ...] = (
    ("POST", r"customers", Api.make_customer),
    ("POST", r"products", Api.make_product),
    ("POST", r"products/([^/]+)", Api.change_product),
    ("POST", r"checkout/sessions", Api.open_session),
    ("POST", r"checkout/sessions/([^/]+)/expire", Api.expire_session),
    ("POST", r"subscriptions/([^/]+)", Api.change_subscription),
    ("DELETE", r"subscriptions/([^/]+)", Api.end_subscription),
    ("POST", r"refunds", Api.make_refund),
    ("POST", r"billing_portal/sessions", Api.open_portal),
)
