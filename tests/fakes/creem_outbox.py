"""What the fake Creem tells by webhook: signed as Creem signs, kept until it was delivered, lost after four retries.

Delivering can go wrong as it does in life: twice, in another order, late, or never.
"""

import dataclasses
import hashlib
import hmac
import itertools
import json
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

TRIES = 5  # once, and again after each pause
PAUSES = (30, 60, 300, 3600)  # seconds, as documented

Send = Callable[[bytes, Mapping[str, str]], int]  # returns the status that was answered


@dataclasses.dataclass
class Delivery:
    """One event on its way. `body` and `headers` are the same on every try."""

    id: str
    type: str
    body: bytes
    headers: dict[str, str]
    wait: int = 0  # rounds until it is first tried
    tries: int = 0
    delivered: bool = False

    @property
    def over(self) -> bool:
        """Whether it is not tried again by itself."""
        return self.delivered or self.tries >= TRIES


def sign(secret: str, body: bytes) -> str:
    """Return the signature of a body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Outbox:
    """Events in the order in which they happened."""

    def __init__(self, secret: str) -> None:
        self.all: list[Delivery] = []
        self._secret = secret
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def emit(self, kind: str, told: Mapping[str, Any], at: int) -> Delivery:
        """Write an event down; `at` is in milliseconds."""
        number = f"evt_{next(self._numbers):06}"
        body = json.dumps({"id": number, "eventType": kind, "created_at": at, "object": told}).encode()
        made = Delivery(number, kind, body, self.headers(body))
        with self._lock:
            self.all.append(made)
        return made

    def headers(self, body: bytes) -> dict[str, str]:
        """Return the headers that a delivery of this body has."""
        return {"content-type": "application/json", "creem-signature": sign(self._secret, body)}

    def deliver(
        self,
        send: Send,
        *,
        copies: int = 1,
        shuffle: random.Random | None = None,
        drop: Callable[[Delivery], bool] = lambda _: False,
        delay: int = 0,
    ) -> list[int]:
        """Try everything that waits once; returns the statuses.

        `copies` of each are sent, `shuffle` mixes them, `drop` loses a delivery for ever, `delay` keeps new ones back
        for so many rounds.
        """
        with self._lock:
            waiting = [one for one in self.all if not one.over]
        ready: list[Delivery] = []
        for one in waiting:
            if drop(one):
                one.tries = TRIES
            elif one.tries == 0 and one.wait < delay:
                one.wait += 1
            else:
                ready += [one] * copies
        if shuffle:
            shuffle.shuffle(ready)
        return [self.attempt(one, send) for one in ready]

    def attempt(self, one: Delivery, send: Send) -> int:
        """Try one delivery, whether or not it is over: the dashboard can send an event again at any time."""
        one.tries += 1
        status = send(one.body, one.headers)
        # The documentation says "HTTP 200"; any 2xx is taken here.
        one.delivered = one.delivered or 200 <= status < 300
        return status
