"""What Creem tells otherwise than we wrote it down, found without webhooks.

Creem allows 1,000 requests an hour, so lists are read a page at a time and compared with our book; only what differs is
looked at. Refunds and chargebacks come long after a payment, so the lists are read further back than the round asks.
"""

import datetime
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from gesso.billing.gateways import creem_states, protocol
from gesso.billing.gateways.creem_api import Api, Row

LATE = datetime.timedelta(days=90)  # refunds and chargebacks of payments so old are still found


class Known(NamedTuple):
    """A payment as we wrote it down: the checkout it came from, and what went back of it."""

    checkout: str
    refunded: int
    dispute: str


class Book(Protocol):
    """What our side wrote down about its dealings with Creem."""

    def payment(self, number: str) -> Known | None:
        """Return the payment of this id, or None: we never received it."""

    def plan(self, number: str) -> tuple[str, datetime.datetime | None, bool] | None:
        """Return how we think the subscription stands (as `creem_states.standing` says it), or None."""

    def unpaid_checkouts(self, moment: datetime.datetime) -> Iterable[str]:
        """Return the checkouts of orders made since `moment` for which no payment arrived."""


def since(api: Api, book: Book, moment: datetime.datetime) -> Iterator[protocol.Subject]:
    """Yield each subject once. Raises Unavailable and Refused."""
    for number in book.unpaid_checkouts(moment):
        yield protocol.Subject("checkout", number)
    seen: set[protocol.Subject] = set()
    for subject in itertools.chain(_payments(api, book, moment), _plans(api, book)):
        if subject not in seen:
            seen.add(subject)
            yield subject


def _payments(api: Api, book: Book, moment: datetime.datetime) -> Iterator[protocol.Subject]:
    for transaction in _transactions(api, moment - LATE):
        number, plan = creem_states.id_of(transaction), creem_states.id_of(transaction.get("subscription"))
        if transaction.get("status") not in creem_states.CAME or not number:
            continue
        known = book.payment(number)
        if known is None:
            # A pack's is found by its checkout; what is older than the round was looked at by earlier ones.
            if plan and (creem_states.moment(transaction.get("created_at")) or moment) >= moment:
                yield protocol.Subject("subscription", plan)
        elif (known.refunded, known.dispute) != (creem_states.refunded(transaction), creem_states.dispute(transaction)):
            yield protocol.Subject("subscription", plan) if plan else protocol.Subject("payment", number)


def _transactions(api: Api, moment: datetime.datetime) -> Iterator[Row]:
    """Yield transactions back to `moment`. The order of a search is not documented: a page that is not newest first
    says nothing about the next, and all are read.
    """
    for rows in api.pages("v1/transactions/search"):
        yield from rows
        made = [creem_states.moment(row.get("created_at")) for row in rows]
        times = [time for time in made if time]
        if times and times[-1] < moment and times == sorted(times, reverse=True):
            return


def _plans(api: Api, book: Book) -> Iterator[protocol.Subject]:
    for row in api.every("v1/subscriptions/search"):
        number = creem_states.id_of(row)
        ours = book.plan(number)
        # What has ended with us does not begin again; what we don't know was never paid.
        if ours and ours[0] != "ended" and ours != creem_states.standing(row):
            yield protocol.Subject("subscription", number)
