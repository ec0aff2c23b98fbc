"""A gateway in this process, at the protocol's edge: its truth is rows that a test changes, its webhooks are signed."""

import dataclasses
import datetime
import hashlib
import hmac
import json

from gesso.billing.gateways import protocol

SECRET = b"whsec_of_this_test"


class Till:
    """`states` is what it knows, by subject; `broken` is raised by looks, for one subject's id or for all ("")."""

    def __init__(self, name: str = "stripe", *, live: bool = False, secret: bytes = SECRET) -> None:
        self.name, self.live, self.secret = name, live, secret
        self.received, self.lists_products = 202, False
        self.page_origins = ("https://checkout.test",)
        self.states: dict[protocol.Subject, list[protocol.State]] = {}
        self.looked: list[protocol.Subject] = []
        self.broken: dict[str, Exception] = {}
        self.refunds: dict[str, int | None] = {}

    def open_checkout(self, sale: protocol.Sale) -> protocol.Checkout:
        return protocol.Checkout(f"cs_{sale.order}", f"https://checkout.test/{sale.order}")

    def know(self, *states: protocol.State) -> None:
        """Let this be what the gateway knows now about each."""
        for state in states:
            self.states[subject_of(state)] = [state]

    def hang(self, subject: protocol.Subject, *states: protocol.State) -> None:
        """Let a look at `subject` return all of these."""
        self.states[subject] = list(states)

    def hear(self, body: bytes, headers: dict[str, str]) -> protocol.Notice:
        if not self.secret or not hmac.compare_digest(sign(body, self.secret), headers.get("x-signature", "")):
            raise protocol.BadSignature("not ours")
        told = json.loads(body)
        return protocol.Notice(
            told["id"], told["type"], told["live"], tuple(protocol.Subject(*pair) for pair in told["subjects"])
        )

    def look(self, subject: protocol.Subject) -> list[protocol.State]:
        self.looked.append(subject)
        for known in (subject.id, ""):
            if known in self.broken:
                raise self.broken[known]
        # What hangs on a subject is as it is now, too.
        return [self.states.get(subject_of(state), [state])[0] for state in self.states.get(subject, [])]

    def changed_since(self, moment: datetime.datetime):
        yield from list(self.states)

    def portal(self, customer: str, return_url: str) -> str:
        return "https://checkout.test/portal"

    def change_plan(self, subscription: str, sale: protocol.Sale, *, now: bool) -> None:
        """The test says what becomes of it."""
        if "change_plan" in self.broken:
            raise self.broken["change_plan"]

    def refund(self, payment: str, amount: int | None, key: str) -> None:
        """Send money back, once for each key."""
        if "refund" in self.broken:
            raise self.broken["refund"]
        if key in self.refunds:
            return
        self.refunds[key] = amount
        subject = protocol.Subject("payment", payment)
        (state,) = self.states[subject]
        back = state.amount - state.refunded if amount is None else amount
        if state.refunded + back > state.amount:
            raise protocol.Refused("That is more than is left of the payment.")
        self.know(dataclasses.replace(state, refunded=state.refunded + back))


def subject_of(state: protocol.State) -> protocol.Subject:
    """Return where a state is looked at."""
    if isinstance(state, protocol.PaymentState):
        return protocol.Subject("payment", state.id)
    if isinstance(state, protocol.SubscriptionState):
        return protocol.Subject("subscription", state.id)
    return protocol.Subject("checkout", state.id)


def sign(body: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def event(number: str, *subjects: protocol.Subject, type: str = "payment.paid", live: bool = False) -> bytes:  # noqa: A002
    """Return the body of a webhook."""
    pairs = [[subject.kind, subject.id] for subject in subjects]
    return json.dumps({"id": number, "type": type, "live": live, "subjects": pairs}).encode()
