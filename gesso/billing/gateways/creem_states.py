"""What Creem's rows mean, in the protocol's words. Pure; nothing here asks anybody.

Field names are those of Creem's published API description (SDK 1.13) and of the samples in its documentation. Where
the two differ, or leave something open, both are read and it is said here.
"""

import datetime
from collections.abc import Sequence
from typing import Literal

from gesso.billing.gateways import protocol
from gesso.billing.gateways.creem_api import Row

# The description says chargedBack, the sample of dispute.created says chargeback.
DISPUTED = frozenset({"chargedBack", "chargeback"})
CAME = frozenset({"paid", "refunded", "partialRefund"}) | DISPUTED  # the money was here once
FELL_THROUGH = frozenset({"declined", "canceled", "void", "uncollectible"})
_MILLISECONDS_FROM = 10**11  # as seconds this is the year 5138

Reason = Literal["pack", "first", "renewal", "change"]


def id_of(value: object) -> str:
    """Return the id of something that is told as its id or as the whole of it; empty for neither."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def text(row: Row, name: str) -> str:
    """Return a text of a row, empty when it is missing."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def metadata(row: Row, name: str) -> str:
    """Return what we wrote on something when we made it, or "" where it is not ours."""
    kept = row.get("metadata")
    return text(kept, name) if isinstance(kept, dict) else ""


def is_live(row: Row) -> bool:
    """Tell real money from `test`, `sandbox` and the `local` of the samples."""
    return row.get("mode") == "prod"


def moment(value: object) -> datetime.datetime | None:
    """Return a time that is told as milliseconds, as seconds or as ISO text; None for anything else."""
    if isinstance(value, str):
        try:
            read = datetime.datetime.fromisoformat(value)
        except ValueError:
            return None
        return read if read.tzinfo else read.replace(tzinfo=datetime.UTC)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**14:
        return None
    return datetime.datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, datetime.UTC)


def whole(row: Row, name: str) -> int:
    """Return an amount in the smallest unit, 0 when it is missing. Raises Unavailable when it is none."""
    value = row.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        raise protocol.Unavailable(f"Creem answered with {name} that is no amount.")
    return value


def dispute(transaction: Row) -> protocol.Dispute:
    """A chargeback counts as open as long as the row says so: Creem never tells how one was decided."""
    return "open" if transaction.get("status") in DISPUTED else ""


def refunded(transaction: Row) -> int:
    """Return what went back, before tax: Creem counts it with tax, and counts a chargeback as well."""
    status, amount = transaction.get("status"), whole(transaction, "amount")
    if status in DISPUTED:
        return 0  # it is told as a dispute
    back, paid = whole(transaction, "refunded_amount"), whole(transaction, "amount_paid") or amount
    if status == "refunded" or (paid and back >= paid):
        return amount
    return amount * back // paid if paid else 0


def payer(row: Row, order: str) -> str:
    """Return the customer of a row, as far as one order goes; `customer_of` is the way back.

    Creem has one customer for each email address, and somebody may pay for several workspaces with one: its id alone
    would make the second a stranger's.
    """
    number = id_of(row.get("customer"))
    return f"{number}:{order}" if number and order else ""


def customer_of(payer_: str) -> str:
    """Return Creem's own id of a customer."""
    return payer_.partition(":")[0]


def payment(
    transaction: Row, *, order: str, item: str, reason: Reason, period_end: datetime.datetime | None = None
) -> protocol.PaymentState:
    """Return a transaction as a payment. `amount` is before tax for products that are taxed on top of their price."""
    return protocol.PaymentState(
        id=id_of(transaction), order=order, subscription=id_of(transaction.get("subscription")),
        customer=payer(transaction, order), reason=reason, item=item, amount=whole(transaction, "amount"),
        currency=text(transaction, "currency").lower(), live=is_live(transaction),
        # There is no time of payment; a transaction is made when it is tried.
        paid_at=moment(transaction.get("created_at")) if transaction.get("status") in CAME else None,
        period_end=period_end, refunded=refunded(transaction), dispute=dispute(transaction), method="",
    )  # fmt: skip


def checkout(row: Row, transaction: Row | None) -> protocol.CheckoutState:
    """Return how a checkout stands. A card that was declined leaves it open: the payer may try another."""
    state: Literal["open", "complete", "failed", "expired"] = "open"
    if row.get("status") == "expired":
        state = "expired"
    elif row.get("status") in {"processing", "completed"}:
        fell = transaction is not None and transaction.get("status") in FELL_THROUGH
        state = "failed" if fell else "complete"
    return protocol.CheckoutState(id=id_of(row), order=text(row, "request_id") or metadata(row, "order"), state=state)


def standing(row: Row) -> tuple[Literal["active", "past_due", "ended"], datetime.datetime | None, bool]:
    """Return a subscription's state, the end of its period, and whether it ends with it.

    Only `canceled` is final: of `expired` Creem says that payment may still be retried, and `paused` may go on.
    """
    status = row.get("status")
    state: Literal["active", "past_due", "ended"] = "past_due"
    if status in {"active", "trialing", "scheduled_cancel"}:
        state = "active"
    elif status == "canceled":
        state = "ended"
    return state, moment(row.get("current_period_end_date")), status == "scheduled_cancel"


def reasons(transactions: Sequence[Row]) -> list[tuple[Row, Reason]]:
    """Return a subscription's transactions that were paid, oldest first, each with what it was for.

    A charge whose period begins inside one that was paid before is the difference after a change of plan. Which
    period Creem writes on such a charge is not documented: either the month it falls into or what is left of it.
    """
    told: list[tuple[Row, Reason]] = []
    paid_until: datetime.datetime | None = None
    for transaction in sorted((row for row in transactions if row.get("status") in CAME), key=_began):
        begins = moment(transaction.get("period_start")) or _began(transaction)
        inside = paid_until is not None and begins < paid_until
        told.append((transaction, "first" if not told else "change" if inside else "renewal"))
        ends = moment(transaction.get("period_end"))
        paid_until = max(filter(None, (ends, paid_until)), default=None)
    return told


def _began(transaction: Row) -> datetime.datetime:
    return moment(transaction.get("created_at")) or datetime.datetime.max.replace(tzinfo=datetime.UTC)
