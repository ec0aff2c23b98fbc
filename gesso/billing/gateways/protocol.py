"""What a payment gateway must do, in our words. Adapters know HTTP and these dataclasses, never our tables.

The shape of it all: a webhook says only *where to look*. `hear` proves who said it and returns subjects; `look`
fetches from the gateway how a subject stands now. What is fetched is a state, not an event: told twice, late or in any
order, it says the same. Reconciliation looks at the same subjects without being told.
"""

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

WEBHOOK_BYTES = 256 * 1024  # more is no webhook

Kind = Literal["checkout", "payment", "subscription"]
Dispute = Literal["", "open", "won", "lost"]


class BadSignature(Exception):
    """The body was not signed with our secret, or too long ago: nobody we know said this."""


class Unavailable(Exception):
    """The gateway did not answer, or said that it can't now; the same may be asked again."""


class Refused(Exception):
    """The gateway answered that it will not; the message is a sentence for staff."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """Something at the gateway that may have changed: its kind and the gateway's id of it."""

    kind: Kind
    id: str


@dataclasses.dataclass(frozen=True)
class Notice:
    """One delivered webhook, proved: its id at the gateway (the same on every delivery), its type, where to look.

    A type that means nothing for credits has no subjects. `live` is False in a gateway's test mode.
    """

    id: str
    type: str
    live: bool
    subjects: tuple[Subject, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sale:
    """What is to be sold: `amount` in the smallest unit of `currency`, before tax. `item` is the catalogue's id.

    `customer` is the gateway's id of who pays, empty the first time; `product` its id of the item where it keeps a list
    of its own. `order` comes back in every state that belongs to this sale.
    """

    order: str
    kind: Literal["pack", "plan"]
    item: str
    name: str
    amount: int
    currency: str
    email: str
    customer: str
    product: str
    success_url: str
    cancel_url: str


@dataclasses.dataclass(frozen=True)
class Checkout:
    """The gateway's page for one sale: its id there and the address to send the payer to."""

    id: str
    url: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckoutState:
    """How a checkout ended: `open`, `complete` (money may still be on its way), `failed` or `expired`."""

    id: str
    order: str
    state: Literal["open", "complete", "failed", "expired"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaymentState:
    """Money, as the gateway's API reports it now. Amounts in the smallest unit, before tax; `refunded` is cumulative.

    `reason`: a pack; the first month of a plan, its renewal, or the difference after a change of plan. `item` is the
    catalogue's id of what was paid for. `period_end` is when the month that was paid for ends.
    """

    id: str
    order: str
    subscription: str
    customer: str
    reason: Literal["pack", "first", "renewal", "change"]
    item: str
    amount: int
    currency: str
    live: bool
    paid_at: datetime.datetime | None
    period_end: datetime.datetime | None
    refunded: int
    dispute: Dispute
    method: str  # "Visa ending 4242", as a receipt says it; may be empty


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubscriptionState:
    """How a subscription stands now. `past_due`: the gateway goes on trying to be paid. `ended`: it is over."""

    id: str
    order: str
    customer: str
    item: str
    live: bool
    state: Literal["active", "past_due", "ended"]
    period_end: datetime.datetime | None
    cancels_at_period_end: bool


State = CheckoutState | PaymentState | SubscriptionState


class Gateway(Protocol):
    """One gateway with its keys. Every method but `hear` speaks over the network: never inside a transaction.

    All raise Unavailable and Refused where they ask the gateway.
    """

    name: str
    live: bool  # whether its keys take real money
    lists_products: bool  # whether it keeps a list of its own and sells only what the catalogue names there
    received: int  # the status that it takes for "received" when a webhook is answered
    page_origins: tuple[str, ...]  # where its own pages are, as a Content-Security-Policy names them

    def open_checkout(self, sale: Sale) -> Checkout:
        """Make the gateway's page for this sale. The same order again is the same checkout."""

    def hear(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Prove a webhook by its raw body and headers (names in lower case). Raises BadSignature."""

    def look(self, subject: Subject) -> Sequence[State]:
        """Fetch how the subject stands now, and what hangs on it (a checkout: its payment and subscription)."""

    def changed_since(self, moment: datetime.datetime) -> Iterator[Subject]:
        """Yield what may have changed since `moment`, without relying on webhooks."""

    def portal(self, customer: str, return_url: str) -> str:
        """Return the address where the customer changes the card and sees invoices; empty: there is none."""

    def change_plan(self, subscription: str, sale: Sale, *, now: bool) -> None:
        """Move a subscription to another plan: `now` and paid by the difference, or from its next period on."""

    def cancel_at_period_end(self, subscription: str) -> None:
        """Let the subscription run out."""

    def resume(self, subscription: str) -> None:
        """Undo `cancel_at_period_end` before it came to that."""

    def refund(self, payment: str, amount: int | None, key: str) -> None:
        """Send `amount` (None: all that is left) of a payment back; the same `key` again does nothing."""
