"""A fake Stripe on loopback, for tests and for trying payments by hand: API, hosted pages, signed webhooks.

    with stripe.FakeStripe() as fake:
        till = Stripe(fake.api_key, fake.webhook_secret, fake.url)
        fake.webhooks.url = "http://127.0.0.1:8000/webhooks/stripe"
        checkout = till.open_checkout(sale)
        fake.pay(checkout.id)
        fake.webhooks.wait()

As a fixture:

    @pytest.fixture
    def fake():
        with stripe.FakeStripe() as running:
            yield running

It runs in threads of the process that made it and listens on a free port unless one is given. It speaks API version 2026-10-28.endive.
`python -m tests.fakes.stripe_demo` runs one by hand.
"""

import threading
from typing import Any, Self

from tests.fakes import stripe_life
from tests.fakes.stripe_api import Api
from tests.fakes.stripe_book import Book, Thing, shown
from tests.fakes.stripe_post import Delivery, Post, signature
from tests.fakes.stripe_server import Fault, Server

__all__ = ["Delivery", "FakeStripe", "Post", "signature"]


class FakeStripe:
    """One pretended account. Ids are those of the API: cs_ (checkout), pi_, ch_, in_, sub_, re_, du_.

    A payment may be named by its payment intent, its charge or its invoice.
    """

    def __init__(
        self, *, api_key: str = "sk_test_fake", webhook_secret: str = "whsec_of_the_fake_stripe", tax_percent: int = 0,
        port: int = 0,
    ) -> None:  # fmt: skip
        self.api_key = api_key
        self.webhook_secret = webhook_secret
        self._book = Book(live=api_key.startswith(("sk_live_", "rk_live_")))
        self.webhooks = Post(webhook_secret)
        self._book.listeners.append(self.webhooks.take)
        self._api = Api(self._book)
        self._api.tax = tax_percent
        self._server = Server(self._api, api_key, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base address for STRIPE_API_BASE, and the origin of the hosted pages."""
        return self._server.origin

    @property
    def journal(self) -> list[tuple[str, str, dict[str, Any], dict[str, str]]]:
        """Every call of the API so far: method, path, parameters, headers (names in lower case)."""
        return self._server.journal

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)
        self.webhooks.close()

    def object(self, number: str) -> Thing:
        """Return an object as the API shows it."""
        with self._book.lock:
            return shown(self._book.get(number))

    def objects(self, kind: str) -> list[Thing]:
        """Return every object of a kind ("charge", "event"), oldest first."""
        with self._book.lock:
            return [shown(thing) for thing in self._book.all(kind)][::-1]

    def events(self, kind: str = "") -> list[Thing]:
        """Return what happened so far, oldest first; only events of one type if it is given."""
        return [event for event in self.objects("event") if kind in {"", event["type"]}]

    def pay(self, session: str, *, delayed: bool = False) -> Thing:
        """Pay a checkout; `delayed` completes it unpaid, until `settle`. Returns the checkout."""
        return self._do(stripe_life.pay, session, delayed=delayed)

    def fail(self, session: str) -> Thing:
        """Let the card be declined on a checkout's page; it stays open."""
        return self._do(stripe_life.decline, session)

    def settle(self, session: str, *, paid: bool = True) -> Thing:
        """Let a delayed payment arrive, or (`paid=False`) not."""
        return self._do(stripe_life.settle, session, paid=paid)

    def expire(self, session: str) -> Thing:
        """Let a checkout expire."""
        with self._book.lock:
            return shown(self._api.expire_session({}, session))

    def renew(self, subscription: str) -> Thing:
        """Let a month end. Returns the paid invoice of the next one; {} if the subscription ended as it was to."""
        with self._book.lock:
            return shown(stripe_life.renew(self._book, self._book.get(subscription)))

    def fail_renewal(self, subscription: str) -> Thing:
        """Let a month end and the next one not be paid: past due. Returns the open invoice."""
        with self._book.lock:
            return shown(stripe_life.renew(self._book, self._book.get(subscription), paid=False))

    def recover(self, invoice: str) -> Thing:
        """Let an open invoice be paid after all."""
        return self._do(stripe_life.collect, invoice)

    def end(self, subscription: str) -> Thing:
        """Let a subscription be over now, as after the last failed attempt."""
        return self._do(stripe_life.end, subscription)

    def refund(self, payment: str, amount: int | None = None) -> Thing:
        """Send money back as staff do in the dashboard (None: all that is left). Returns the refund."""
        with self._book.lock:
            intent = self._intent(payment)
            charge = self._book.get(intent["latest_charge"])
            return shown(stripe_life.refund(self._book, intent, amount or charge["amount"] - charge["amount_refunded"]))

    def fail_refund(self, refund: str) -> Thing:
        """Let a refund come back."""
        return self._do(stripe_life.refund_failed, refund)

    def dispute(self, payment: str, status: str = "needs_response") -> Thing:
        """Open a dispute, or with `warning_needs_response` an inquiry. Returns it."""
        with self._book.lock:
            return shown(stripe_life.dispute(self._book, self._intent(payment), status))

    def decide(self, dispute: str, status: str) -> Thing:
        """Close a dispute: "won", "lost" or "warning_closed"."""
        return self._do(stripe_life.decide, dispute, status)

    def tamper(self, number: str, **fields: Any) -> Thing:
        """Change an object as nobody should be able to, without an event."""
        with self._book.lock:
            found = self._book.get(number)
            found |= fields
            return shown(found)

    def say(self, kind: str, number: str) -> Thing:
        """Send an event about an object as it is now. Returns the event."""
        with self._book.lock:
            return shown(self._book.say(kind, self._book.get(number)))

    def forget(self, number: str) -> None:
        """Lose an object."""
        with self._book.lock:
            del self._book.things[number]

    def tax(self, percent: int) -> None:
        """Add tax to every checkout from now on."""
        self._api.tax = percent

    def decline_changes(self, *, declined: bool = True) -> None:
        """Let cards be declined when a subscription is moved to a dearer plan."""
        self._api.declines = declined

    def break_next(self, status: int, times: int = 1, *, after: bool = False) -> None:
        """Answer the next calls with a status (0: break the connection); `after` loses only the answer."""
        self._server.faults.append(Fault(status, times, after))

    def mend(self) -> None:
        """Answer again."""
        self._server.faults.clear()

    def _do(self, act: Any, number: str, *words: Any, **options: Any) -> Thing:
        with self._book.lock:
            thing = self._book.get(number)
            act(self._book, thing, *words, **options)
            return shown(thing)

    def _intent(self, payment: str) -> Thing:
        found = self._book.get(payment)
        if found["object"] == "invoice":
            paid = next(self._book.all("invoice_payment", invoice=payment))
            return self._book.get(paid["payment"]["payment_intent"])
        return found if found["object"] == "payment_intent" else self._book.get(found["payment_intent"])
