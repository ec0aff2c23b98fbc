"""The test checkout: a gateway that takes no money, for installs without one. Its page is ours and says so.

It behaves as a real one does, as far as our side can see: checkouts that are paid, fail, or are paid later; plans that
renew by themselves at the end of their month; refunds. It sends no webhooks: whoever changed something looks.
"""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from gesso.billing.gateways import protocol

MONTH = datetime.timedelta(days=30)
LATER = datetime.timedelta(seconds=20)  # how long a delayed payment takes


class Shelf(Protocol):
    """Where it keeps what a gateway would know."""

    def get(self, number: str) -> dict[str, Any] | None:
        """Return what is kept under `number`, or None."""

    def put(self, number: str, data: Mapping[str, Any]) -> None:
        """Keep `data` under `number`, over what was there."""

    def add(self, number: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Keep `data` unless something is there already; returns what is there then."""

    def starting(self, prefix: str) -> list[tuple[str, dict[str, Any]]]:
        """Return what is kept under ids that begin with `prefix`, oldest first."""

    def changed_since(self, moment: datetime.datetime) -> Iterator[str]:
        """Yield the ids of what changed since `moment`, and of what may change by itself."""


class Testing:
    """Ids begin with tc_ (checkout), ts_ (subscription) or tp_ (payment), then the order's id."""

    name = "test"
    live = False
    lists_products = False
    received = 202
    page_origins: tuple[str, ...] = ()

    def __init__(self, shelf: Shelf, base_url: str) -> None:
        self._shelf = shelf
        self._base_url = base_url

    def open_checkout(self, sale: protocol.Sale) -> protocol.Checkout:
        """Return our own page for this sale."""
        number = f"tc_{sale.order}"
        row = {
            "kind": sale.kind, "item": sale.item, "name": sale.name, "amount": sale.amount, "currency": sale.currency,
            "order": sale.order, "state": "open", "success_url": sale.success_url, "cancel_url": sale.cancel_url,
        }  # fmt: skip
        self._shelf.add(number, row)
        return protocol.Checkout(number, f"{self._base_url}/test-checkout/{sale.order}")

    def hear(self, body: bytes, headers: Mapping[str, str]) -> protocol.Notice:  # noqa: ARG002 (the protocol's signature)
        """Refuse: nobody sends webhooks in its name."""
        raise protocol.BadSignature("the test checkout sends no webhooks")

    def page(self, order: str) -> dict[str, Any] | None:
        """Return what its page shows about an order's checkout, or None."""
        return self._shelf.get(f"tc_{order}")

    def press(self, order: str, button: Literal["pay", "fail", "delay"], now: datetime.datetime) -> None:
        """Do what a button of its page says. A checkout that has ended stays as it is."""
        number = f"tc_{order}"
        row = self._shelf.get(number)
        if row is None or row["state"] != "open":
            return
        row["state"] = "failed" if button == "fail" else "complete"
        self._shelf.put(number, row)
        if button == "fail":
            return
        paid_at = now + (LATER if button == "delay" else datetime.timedelta())
        if row["kind"] == "plan":
            plan = {"order": order, "item": row["item"], "amount": row["amount"], "currency": row["currency"],
                    "period_end": (paid_at + MONTH).isoformat(), "cancels": False, "ended": False}  # fmt: skip
            self._shelf.add(f"ts_{order}", plan)
        self._pay(order, 0, row, "first" if row["kind"] == "plan" else "pack", paid_at)

    def _pay(self, order: str, turn: int, row: Mapping[str, Any], reason: str, paid_at: datetime.datetime) -> None:
        end = (paid_at + MONTH).isoformat() if reason != "pack" else None
        self._shelf.add(f"tp_{order}_{turn:04}", {
            "order": order, "item": row["item"], "amount": row["amount"], "currency": row["currency"], "reason": reason,
            "paid_at": paid_at.isoformat(), "period_end": end, "refunded": 0, "dispute": "",
        })  # fmt: skip

    def look(self, subject: protocol.Subject) -> Sequence[protocol.State]:
        """Return the checkout, the subscription and every payment of one order."""
        order = subject.id.split("_")[1] if subject.id.count("_") else ""
        checkout, plan = self._shelf.get(f"tc_{order}"), self._shelf.get(f"ts_{order}")
        if checkout is None:
            return []
        now = datetime.datetime.now(datetime.UTC)
        if plan:
            plan = self._renewed(order, plan, now)
        states: list[protocol.State] = [
            protocol.CheckoutState(id=f"tc_{order}", order=order, state=checkout["state"]),
            *(self._payment(number, row, now) for number, row in self._shelf.starting(f"tp_{order}_")),
        ]
        if plan and any(isinstance(state, protocol.PaymentState) and state.paid_at for state in states):
            states.append(protocol.SubscriptionState(
                id=f"ts_{order}", order=order, customer="", item=plan["item"], live=False,
                state="ended" if plan["ended"] else "active",
                period_end=datetime.datetime.fromisoformat(plan["period_end"]), cancels_at_period_end=plan["cancels"],
            ))  # fmt: skip
        return states

    def _renewed(self, order: str, plan: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
        """Let months pass that have passed: each is paid, or the plan ends where it was canceled."""
        end = datetime.datetime.fromisoformat(plan["period_end"])
        while end <= now and not plan["ended"]:
            if plan["cancels"]:
                plan["ended"] = True
            else:
                self._pay(order, len(self._shelf.starting(f"tp_{order}_")), plan, "renewal", end)
                end += MONTH
                plan["period_end"] = end.isoformat()
            self._shelf.put(f"ts_{order}", plan)
        return plan

    def _payment(self, number: str, row: Mapping[str, Any], now: datetime.datetime) -> protocol.PaymentState:
        paid_at = datetime.datetime.fromisoformat(row["paid_at"])
        return protocol.PaymentState(
            id=number, order=row["order"], subscription="" if row["reason"] == "pack" else f"ts_{row['order']}",
            customer="", reason=row["reason"], item=row["item"], amount=row["amount"], currency=row["currency"],
            live=False, paid_at=paid_at if paid_at <= now else None,
            period_end=datetime.datetime.fromisoformat(row["period_end"]) if row["period_end"] else None,
            refunded=row["refunded"], dispute=row["dispute"], method="Test card",
        )  # fmt: skip

    def changed_since(self, moment: datetime.datetime) -> Iterator[protocol.Subject]:
        """Yield every order's checkout that changed, and every plan that may have renewed."""
        seen = set()
        for number in self._shelf.changed_since(moment):
            if (order := number.split("_")[1]) not in seen:
                seen.add(order)
                yield protocol.Subject("checkout", f"tc_{order}")

    def portal(self, customer: str, return_url: str) -> str:  # noqa: ARG002 (the protocol's signature)
        """There is no card to change."""
        return ""

    def change_plan(self, subscription: str, sale: protocol.Sale, *, now: bool) -> None:
        """Change the plan; `now` charges the difference for what is left of the month."""
        plan = self._plan(subscription)
        order = subscription.removeprefix("ts_")
        if now:
            at = datetime.datetime.now(datetime.UTC)
            left = datetime.datetime.fromisoformat(plan["period_end"]) - at
            share = max(0.0, min(1.0, left / MONTH))
            difference = max(1, round((sale.amount - plan["amount"]) * share))
            turn = len(self._shelf.starting(f"tp_{order}_"))
            row = {"item": sale.item, "amount": difference, "currency": plan["currency"]}
            self._pay(order, turn, row, "change", at)
            paid = self._shelf.get(f"tp_{order}_{turn:04}")
            assert paid
            self._shelf.put(f"tp_{order}_{turn:04}", paid | {"period_end": plan["period_end"]})
        self._shelf.put(subscription, plan | {"item": sale.item, "amount": sale.amount})

    def cancel_at_period_end(self, subscription: str) -> None:
        """Let the plan run out."""
        self._shelf.put(subscription, self._plan(subscription) | {"cancels": True})

    def resume(self, subscription: str) -> None:
        """Let it go on after all."""
        self._shelf.put(subscription, self._plan(subscription) | {"cancels": False})

    def refund(self, payment: str, amount: int | None, key: str) -> None:
        """Note the refund; the same key again does nothing."""
        row = self._shelf.get(payment)
        if row is None:
            raise protocol.Refused("There is no such payment.")
        if key in row.get("refunds", []):
            return
        left = row["amount"] - row["refunded"]
        back = left if amount is None else amount
        if not 1 <= back <= left:
            raise protocol.Refused(f"{back} can't go back, {left} is left of the payment.")
        self._shelf.put(payment, row | {"refunded": row["refunded"] + back, "refunds": [*row.get("refunds", []), key]})

    def _plan(self, subscription: str) -> dict[str, Any]:
        plan = self._shelf.get(subscription)
        if plan is None or plan["ended"]:
            raise protocol.Refused("There is no such subscription.")
        return plan
