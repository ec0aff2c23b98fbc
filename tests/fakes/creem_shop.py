"""What the fake Creem's store knows, and what can happen in it: payments, months, refunds, disputes.

Whatever happens emits the events that Creem documents for it. Time passes by `pass_time` only as far as months go;
everything else happens now. One lock: a test and the server's threads use a store together.
"""

import datetime
import threading
from collections.abc import Callable
from typing import Any

from tests.fakes import creem_rows
from tests.fakes.creem_outbox import Outbox
from tests.fakes.creem_rows import Row, iso

MONTH = datetime.timedelta(days=30)


class NotAllowed(Exception):
    """What was asked can't happen to this thing now."""


def _alone(function: Callable[..., Any]) -> Callable[..., Any]:
    def locked(self: "Shop", *args: Any, **named: Any) -> Any:
        with self.lock:
            return function(self, *args, **named)

    return locked


class Shop:
    """One store, in test mode or live."""

    def __init__(self, outbox: Outbox, *, live: bool = False) -> None:
        self.mode = "prod" if live else "test"
        self.outbox = outbox
        self.lock = threading.RLock()
        self.ahead = datetime.timedelta()
        self.products: dict[str, Row] = {}
        self.checkouts: dict[str, Row] = {}
        self.transactions: dict[str, Row] = {}
        self.subscriptions: dict[str, Row] = {}
        self.customers: dict[str, str] = {}  # email to id

    def now(self) -> datetime.datetime:
        """Return the store's time."""
        return datetime.datetime.now(datetime.UTC) + self.ahead

    def pass_time(self, until: datetime.datetime) -> None:
        """Let it be `until`, unless that is past."""
        self.ahead += max(until - self.now(), datetime.timedelta())

    def add_product(self, product_id: str, price: int, currency: str = "usd", *, monthly: bool = False) -> Row:
        """Put something on sale."""
        made = creem_rows.product(product_id, price, currency, monthly=monthly, mode=self.mode, now=self.now())
        self.products[product_id] = made
        return made

    @_alone
    def open(self, asked: Row, url: str) -> Row:
        """Make a checkout. The same request_id again makes another: nothing says otherwise."""
        row = creem_rows.checkout(asked, self.products[asked["product_id"]], url=url, mode=self.mode)
        payer = asked.get("customer") or {}
        row["customer"] = payer.get("id") or self.customer(payer.get("email") or "somebody@example.com")
        self.checkouts[row["id"]] = row
        return row

    def customer(self, email: str) -> str:
        """Return the id of whoever has this address."""
        return self.customers.setdefault(email, creem_rows.number("cust"))

    @_alone
    def pay(self, number: str, *, later: bool = False) -> Row:
        """Pay a checkout; `later`: the money is on its way until `settle`."""
        row = self.checkouts[number]
        if row["status"] != "pending":
            raise NotAllowed("The checkout has ended.")
        product, now = self.products[row["product"]], self.now()
        row["order"] = creem_rows.order(product, row["customer"], mode=self.mode, now=now)
        row["status"] = "processing"
        if later:
            if product["billing_type"] == "onetime":
                self._transact(row, product["price"], status="pending")
            return row
        return self.settle(number)

    @_alone
    def settle(self, number: str) -> Row:
        """Let the money of a checkout arrive."""
        row = self.checkouts[number]
        if row["status"] != "processing":
            raise NotAllowed("Nothing is on its way.")
        product, now = self.products[row["product"]], self.now()
        row["status"] = "completed"
        row["order"] |= {"status": "paid", "updated_at": iso(now)}
        if product["billing_type"] == "onetime":
            paid = self.transactions.get(row["order"]["transaction"] or "") or self._transact(row, product["price"])
            paid["status"] = "paid"
            self._tell("checkout.completed", self.whole_checkout(row))
            return row
        plan = creem_rows.subscription(row, product, row["customer"], mode=self.mode, now=now, end=now + MONTH)
        self.subscriptions[plan["id"]] = plan
        row["subscription"] = plan["id"]
        paid = self._transact(row, product["price"], plan=plan, period=(now, now + MONTH))
        plan["last_transaction_id"] = paid["id"]
        self._tell("checkout.completed", self.whole_checkout(row))
        self._tell("subscription.active", plan)
        self._tell("subscription.paid", plan)
        return row

    @_alone
    def decline(self, number: str) -> Row:
        """Decline the payer's card: the checkout stays open; what was on its way falls through."""
        row = self.checkouts[number]
        product = self.products[row["product"]]
        if row["status"] == "processing":
            self.transactions[row["order"]["transaction"]]["status"] = "declined"
        elif row["status"] == "pending":
            made = creem_rows.transaction(
                product["price"], product["currency"], customer=row["customer"], order_id=None, subscription=None,
                mode=self.mode, now=self.now(), status="declined",
            )  # fmt: skip
            self.transactions[made["id"]] = made
        return row

    @_alone
    def expire(self, number: str) -> None:
        """Let a checkout lie too long."""
        self.checkouts[number]["status"] = "expired"

    def _transact(
        self, row: Row, amount: int, *, plan: Row | None = None, status: str = "paid",
        period: tuple[datetime.datetime, datetime.datetime] | None = None,
    ) -> Row:  # fmt: skip
        made = creem_rows.transaction(
            amount, self.products[row["product"]]["currency"], customer=row["customer"], order_id=row["order"]["id"],
            subscription=plan["id"] if plan else None, mode=self.mode, now=self.now(), period=period, status=status,
        )  # fmt: skip
        self.transactions[made["id"]] = made
        row["order"]["transaction"] = made["id"]
        return made

    @_alone
    def refund(self, number: str, amount: int | None = None) -> Row:
        """Send a payment back; `amount` with tax, as the dashboard can, the API can't."""
        row = self.transactions[number]
        if row["status"] not in {"paid", "partialRefund"}:
            raise NotAllowed("The transaction can't be refunded.")
        back = row["amount_paid"] if amount is None else (row["refunded_amount"] or 0) + amount
        row |= {"refunded_amount": back, "status": "refunded" if back >= row["amount_paid"] else "partialRefund"}
        self._tell("refund.created", {
            "id": creem_rows.number("ref"), "object": "refund", "mode": self.mode, "status": "succeeded",
            "refund_amount": back, "refund_currency": row["currency"], "reason": "requested_by_customer",
            "created_at": creem_rows.milliseconds(self.now()), "transaction": row, **self._around(row),
        })  # fmt: skip
        return row

    @_alone
    def dispute(self, number: str, word: str = "chargeback") -> Row:
        """Let the payer's bank take a payment back. Creem counts it as refunded, too."""
        row = self.transactions[number]
        row |= {"status": word, "refunded_amount": row["amount_paid"]}
        self._tell("dispute.created", {
            "id": creem_rows.number("disp"), "object": "dispute", "mode": self.mode, "amount": row["amount_paid"],
            "currency": row["currency"], "created_at": creem_rows.milliseconds(self.now()), "transaction": row,
            **self._around(row),
        })  # fmt: skip
        return row

    def _around(self, transaction: Row) -> Row:
        """Return what a refund and a dispute tell beside the transaction."""
        if plan := transaction["subscription"]:
            return {"subscription": self.subscriptions[plan], "customer": transaction["customer"]}
        of = [row for row in self.checkouts.values() if row.get("order", {}).get("id") == transaction["order"]]
        return {"checkout": of[0], "order": of[0]["order"], "customer": transaction["customer"]} if of else {}

    def _tell(self, kind: str, told: Row) -> None:
        self.outbox.emit(kind, told, creem_rows.milliseconds(self.now()))

    def tell(self, kind: str, number: str) -> None:
        """Emit an event about a subscription."""
        self._tell(kind, self.subscriptions[number])

    def whole_checkout(self, row: Row) -> Row:
        """Return a checkout as it is told: its product and its subscription whole."""
        plan = self.subscriptions.get(row.get("subscription") or "")
        return {**row, "product": self.products[row["product"]], **({"subscription": plan} if plan else {})}
