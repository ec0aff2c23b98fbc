"""Creem, which sells in its own name (merchant of record): hosted checkouts, subscriptions, refunds of whole payments.

A webhook is signed without a time, so an old one can be sent again for ever: it only says where to look, and what is
fetched then is how things stand now. A payment is a transaction; money is granted for when a transaction of ours is
paid, never for a subscription that is merely active. Creem's list of products has the prices: each row of the
catalogue that is sold names its product (`creem_product`), taxed on top of its price.

Creem can't be asked which checkout a one-time transaction came from: that is in `creem_changes.Book`, what our side
wrote down.
"""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlsplit

from gesso.billing.gateways import creem_changes, creem_states, creem_webhooks, protocol
from gesso.billing.gateways.creem_api import Api, Row

OWN_PAGES = ("https://www.creem.io", "https://creem.io", "https://checkout.creem.io")
_APIS = {"https://api.creem.io", "https://test-api.creem.io"}


class Creem:
    """One store. `products` maps Creem's products to the catalogue's items."""

    name = "creem"
    lists_products = True
    received = 200  # its documents count no other status

    def __init__(
        self, api_key: str, webhook_secret: str, base_url: str, *, products: Mapping[str, str], book: creem_changes.Book
    ) -> None:
        self.live = not api_key.startswith("creem_test_")
        parts = urlsplit(base_url)
        origin = f"{parts.scheme}://{parts.netloc}"
        self.page_origins: tuple[str, ...] = OWN_PAGES if origin in _APIS else (origin,)
        self._api = Api(api_key, base_url)
        self._secret = webhook_secret.strip().encode()
        self._products = {product: item for product, item in products.items() if product}
        self._book = book

    def close(self) -> None:
        """Give back connections."""
        self._api.close()

    def open_checkout(self, sale: protocol.Sale) -> protocol.Checkout:
        """Make a checkout of the item's product.

        Creem does not say that a request_id is unique: asked twice it may make two checkouts. Only one is shown to
        anybody, and an order is paid once.
        """
        self._check_product(sale)
        # It takes an id or an address, not both.
        payer = {"id": creem_states.customer_of(sale.customer)} if sale.customer else {"email": sale.email}
        row = self._api.post("v1/checkouts", {
            "product_id": sale.product, "request_id": sale.order, "success_url": sale.success_url, "customer": payer,
            "metadata": {"order": sale.order, "item": sale.item},
        })  # fmt: skip
        number = creem_states.id_of(row)
        if not number:
            raise protocol.Unavailable("Creem made a checkout without an id.")
        return protocol.Checkout(number, _page(row, "checkout_url"))

    def _check_product(self, sale: protocol.Sale) -> None:
        """Refuse to sell a product that would be paid otherwise than we show it: its money could not be matched."""
        if not sale.product:
            raise protocol.Refused(f"The catalogue's {sale.kind} {sale.item} names no creem_product.")
        product = self._api.find("v1/products", product_id=sale.product)
        if product is None:
            raise protocol.Refused(f"Creem knows no product {sale.product}, which {sale.item} names.")
        price, currency = creem_states.whole(product, "price"), creem_states.text(product, "currency").lower()
        if (price, currency) != (sale.amount, sale.currency):
            raise protocol.Refused(
                f"{sale.item} costs {sale.amount} {sale.currency} here, and {price} {currency} at Creem."
            )
        if product.get("tax_mode") == "inclusive":
            raise protocol.Refused(f"Creem takes the tax of {sale.item} out of its price; set it to be added on top.")
        period = "once" if sale.kind == "pack" else "every-month"
        if product.get("billing_period") not in {None, period}:
            raise protocol.Refused(f"Creem sells {sale.item} {product.get('billing_period')}, not {period}.")

    def hear(self, body: bytes, headers: Mapping[str, str]) -> protocol.Notice:
        """Prove a webhook by its signature. Raises BadSignature."""
        return creem_webhooks.hear(self._secret, body, headers, live=self.live)

    def look(self, subject: protocol.Subject) -> Sequence[protocol.State]:
        """Fetch the subject and what hangs on it. What Creem does not know (any more) has no state."""
        if subject.kind == "checkout":
            return self._checkout(subject.id)
        if subject.kind == "subscription":
            return self._subscription(subject.id, "")
        transaction = self._api.find("v1/transactions", transaction_id=subject.id)
        if transaction is None:
            return []
        if plan := creem_states.id_of(transaction.get("subscription")):
            return self._subscription(plan, "")
        known = self._book.payment(subject.id)
        return self._checkout(known.checkout) if known else []

    def _checkout(self, number: str) -> list[protocol.State]:
        row = self._api.find("v1/checkouts", checkout_id=number)
        if row is None:
            return []
        order = creem_states.checkout(row, None).order
        if plan := creem_states.id_of(row.get("subscription")):
            return [creem_states.checkout(row, None), *self._subscription(plan, order)]
        transaction = self._transaction_of(row)
        states: list[protocol.State] = [creem_states.checkout(row, transaction)]
        if transaction:
            item = self._item(row.get("product")) or creem_states.metadata(row, "item")
            states.append(creem_states.payment(transaction, order=order, item=item, reason="pack"))
        return states

    def _transaction_of(self, checkout: Row) -> Row | None:
        """Return the transaction of a one-time checkout. The order may name it, and may not yet."""
        order = checkout.get("order")
        if not isinstance(order, dict):
            return None
        if number := creem_states.id_of(order.get("transaction")):
            return self._api.find("v1/transactions", transaction_id=number)
        if not (named := creem_states.id_of(order)):
            return None
        found = list(self._api.every("v1/transactions/search", order_id=named))
        came = [row for row in found if row.get("status") in creem_states.CAME]
        return next(iter(came or found), None)

    def _subscription(self, number: str, order: str) -> list[protocol.State]:
        """Return every payment of a subscription and how it stands; nothing while nothing was paid."""
        row = self._api.find("v1/subscriptions", subscription_id=number)
        if row is None:
            return []
        customer = creem_states.id_of(row.get("customer"))
        found = self._api.every("v1/transactions/search", customer_id=customer)
        paid = creem_states.reasons([one for one in found if creem_states.id_of(one.get("subscription")) == number])
        if not paid:
            return []
        order = creem_states.metadata(row, "order") or order
        state, period_end, cancels = creem_states.standing(row)
        states: list[protocol.State] = []
        for transaction, reason in paid:
            ends = creem_states.moment(transaction.get("period_end"))
            if ends is None and transaction is paid[-1][0]:
                ends = period_end
            item = self._month(row, transaction, reason)
            states.append(creem_states.payment(transaction, order=order, item=item, reason=reason, period_end=ends))
        now = protocol.SubscriptionState(
            id=number, order=order, customer=creem_states.payer(row, order), item=self._item(row.get("product")),
            state=state, live=creem_states.is_live(row), period_end=period_end, cancels_at_period_end=cancels,
        )  # fmt: skip
        return [*states, now]

    def _month(self, subscription: Row, transaction: Row, reason: creem_states.Reason) -> str:
        """Return the item that a subscription's transaction was for, which its row does not say.

        It is the plan that the subscription has now, or the one it began with: the first payment is always for that,
        a renewal when the price is not that of the plan now. After a second change an old renewal that nobody heard
        of can't be told; its price then belongs to neither and it waits for staff.
        """
        product = subscription.get("product")
        now, began = self._item(product), creem_states.metadata(subscription, "item")
        if reason == "first":
            return began or now
        price = creem_states.whole(product, "price") if isinstance(product, dict) else 0
        other = price and price != creem_states.whole(transaction, "amount")
        return began if reason == "renewal" and other and began else now

    def _item(self, product: object) -> str:
        return self._products.get(creem_states.id_of(product), "")

    def changed_since(self, moment: datetime.datetime) -> Iterator[protocol.Subject]:
        """Yield what Creem tells otherwise than we wrote it down."""
        return creem_changes.since(self._api, self._book, moment)

    def portal(self, customer: str, return_url: str) -> str:  # noqa: ARG002 (Creem's page has its own way back)
        """Return a link into Creem's customer portal."""
        asked = {"customer_id": creem_states.customer_of(customer)}
        return _page(self._api.post("v1/customers/billing", asked), "customer_portal_link")

    def change_plan(self, subscription: str, sale: protocol.Sale, *, now: bool) -> None:
        """Move to another product. Creem changes it at once either way; without proration only the next month's price
        is the new one, and the credits of the month that was paid stay as they are.
        """
        self._check_product(sale)
        behaviour = "proration-charge-immediately" if now else "proration-none"
        self._change(subscription, "upgrade", {"product_id": sale.product, "update_behavior": behaviour})

    def cancel_at_period_end(self, subscription: str) -> None:
        """Let it run out; a store's own setting might say immediately, so the mode is always sent."""
        self._change(subscription, "cancel", {"mode": "scheduled", "onExecute": "cancel"})

    def resume(self, subscription: str) -> None:
        """Let it go on after all."""
        self._change(subscription, "resume", {})

    def _change(self, subscription: str, verb: str, body: Mapping[str, object]) -> None:
        self._api.post(f"v1/subscriptions/{quote(subscription, safe='')}/{verb}", body)

    def refund(self, payment: str, amount: int | None, key: str) -> None:  # noqa: ARG002 (a whole refund is its own key)
        """Send a payment back, whole: Creem's API knows no other refund, and none twice."""
        transaction = self._api.find("v1/transactions", transaction_id=payment)
        if transaction is None:
            raise protocol.Refused(f"Creem knows no payment {payment}.")
        left = creem_states.whole(transaction, "amount") - creem_states.refunded(transaction)
        if left <= 0:
            return
        if amount is not None and amount != left:
            raise protocol.Refused("Creem sends a payment back only as a whole; a part can't be refunded from here.")
        answer = self._api.post("v1/refunds", {"transaction_id": payment})
        if answer.get("status") in {"failed", "canceled"}:
            raise protocol.Refused(f"Creem could not send the payment back: {answer['status']}.")


def _page(row: Row, name: str) -> str:
    """Return an address that a browser may be sent to. Raises Unavailable when there is none."""
    url = creem_states.text(row, name)
    if urlsplit(url).scheme not in {"https", "http"}:
        raise protocol.Unavailable(f"Creem answered without {name}.")
    return url
