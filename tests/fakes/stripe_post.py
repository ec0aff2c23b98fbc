"""The fake Stripe's webhooks: signed as Stripe signs, and as badly delivered as a test wants.

Events are sent by one thread in the order they happened, unless they are held and released in another order.
"""

import collections
import dataclasses
import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Callable, Iterable

import httpx2

from tests.fakes.stripe_book import Thing

KEPT = 1000  # deliveries


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One attempt to deliver an event; status 0 is a refused connection."""

    event: str
    type: str
    status: int


class Post:
    """Deliveries to one endpoint. With no `url` nothing is sent.

    `duplicates` is how many times each event is sent besides the first; `drop` says which events never leave; `hold`
    keeps events in `held` until `release`; `delay` is seconds before each; `retries` how often a failed one is sent
    again, `pause` seconds apart.
    """

    def __init__(self, secret: str) -> None:
        self.url = ""
        self.secret = secret
        self.duplicates = 0
        self.drop: Callable[[Thing], bool] = lambda _event: False
        self.hold = False
        self.delay = 0.0
        self.retries = 0
        self.pause = 1.0
        self.held: list[Thing] = []
        self.log: collections.deque[Delivery] = collections.deque(maxlen=KEPT)
        self._queue: queue.Queue[Thing | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True, name="fake stripe's post")
        self._thread.start()

    def take(self, event: Thing) -> None:
        """Accept an event that happened."""
        if self.drop(event):
            return
        if self.hold:
            self.held.append(event)
        elif self.url:
            self._queue.put(event)

    def release(self, order: Iterable[int] | None = None) -> list[Thing]:
        """Send held events in the order of these places in `held` (each may come several times), and wait for it.

        Without an order all go as they happened. Returns what was sent; `held` is empty afterwards.
        """
        sent = [self.held[place] for place in (range(len(self.held)) if order is None else order)]
        self.held = []
        for event in sent:
            self._queue.put(event)
        self.wait()
        return sent

    def wait(self) -> None:
        """Wait until everything that happened so far was delivered or given up."""
        self._queue.join()

    def signed(self, event: Thing, *, at: int | None = None, secret: str | None = None) -> tuple[bytes, dict[str, str]]:
        """Return the body and headers of an event's delivery, signed at a time (seconds) with a secret."""
        body = json.dumps(event, indent=2).encode()
        return body, {
            "stripe-signature": signature(body, secret or self.secret, at),
            "content-type": "application/json",
        }

    def close(self) -> None:
        """Stop sending."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        with httpx2.Client(trust_env=False, timeout=15) as client:
            while True:
                event = self._queue.get()
                try:
                    if event is None:
                        return
                    for _ in range(1 + self.duplicates):
                        time.sleep(self.delay)
                        self._send(client, event)
                finally:
                    self._queue.task_done()

    def _send(self, client: httpx2.Client, event: Thing) -> None:
        for turn in range(1 + self.retries):
            if turn:
                time.sleep(self.pause)
            body, headers = self.signed(event)
            try:
                status = client.post(self.url, content=body, headers=headers | {"user-agent": "Stripe/1.0"}).status_code
            except httpx2.TransportError:
                status = 0
            self.log.append(Delivery(event["id"], event["type"], status))
            if 200 <= status < 300:
                return


def signature(body: bytes, secret: str, at: int | None = None) -> str:
    """Return a Stripe-Signature header for a body."""
    moment = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest},v0={'0' * 64}"
