"""What the fake Stripe knows: objects in the shapes of API version 2026-10-28.endive, and the events about them.

Objects are plain dicts that refer to each other by id, as stored ones do; expanding is the server's work. A field whose
name begins with an underscore is the fake's own and is never shown. Deciding what happens is `stripe_life`'s.
"""

import datetime
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

API_VERSION = "2026-10-28.endive"
Thing = dict[str, Any]

_PREFIXES = {
    "customer": "cus_", "checkout.session": "cs_", "payment_intent": "pi_", "charge": "ch_", "invoice": "in_",
    "invoice_payment": "inpay_", "subscription": "sub_", "subscription_item": "si_", "refund": "re_",
    "dispute": "du_", "price": "price_", "product": "prod_", "event": "evt_", "line_item": "il_",
    "billing_portal.session": "bps_",
}  # fmt: skip


class Book:
    """Everything at one pretended account. Every change is made while `lock` is held."""

    def __init__(self, *, live: bool) -> None:
        self.live = live
        self.lock = threading.RLock()
        self.things: dict[str, Thing] = {}
        self.listeners: list[Callable[[Thing], None]] = []
        self._numbers = itertools.count(1)
        self._tail = secrets.token_hex(4)  # so that two fakes never give the same id

    def make(self, kind: str, **fields: Any) -> Thing:
        """Add an object of a kind ("payment_intent"), with an id and what every object has."""
        mode = ("live_" if self.live else "test_") if kind == "checkout.session" else ""
        number = fields.pop("id", "") or f"{_PREFIXES[kind]}{mode}{next(self._numbers):06}{self._tail}"
        made = {
            "id": number, "object": kind, "created": int(time.time()), "livemode": self.live, "metadata": {}, **fields,
        }  # fmt: skip
        self.things[number] = made
        return made

    def find(self, number: str, kind: str = "") -> Thing | None:
        """Return an object by its id, or None; `kind` says which one it has to be."""
        found = self.things.get(number)
        return found if found and (not kind or found["object"] == kind) else None

    def get(self, number: str) -> Thing:
        """Return an object that is there."""
        return self.things[number]

    def all(self, kind: str, **wanted: Any) -> Iterator[Thing]:
        """Yield the objects of a kind whose fields are as wanted, newest first, as Stripe lists them."""
        for thing in reversed(list(self.things.values())):
            if thing["object"] == kind and all(thing.get(name) == value for name, value in wanted.items()):
                yield thing

    def say(self, kind: str, about: Thing) -> Thing:
        """Note an event with the object as it is now, and tell who listens."""
        made = self.make(
            "event", api_version=API_VERSION, data={"object": shown(about)}, pending_webhooks=1,
            request={"id": None, "idempotency_key": None}, type=kind,
        )  # fmt: skip
        del made["metadata"]
        for listener in self.listeners:
            listener(made)
        return made


def shown(thing: Thing) -> Thing:
    """Return an object as the API shows it: a copy without the fake's own fields, however deep they are."""
    return {name: _copy(value) for name, value in thing.items() if not name.startswith("_")}


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return shown(value)
    return [_copy(one) for one in value] if isinstance(value, list) else value


def listing(url: str, things: list[Thing]) -> Thing:
    """Return a list inside an object."""
    return {"object": "list", "data": things, "has_more": False, "url": url}


def next_month(moment: int) -> int:
    """Return the same time a month later, at the end of that month where it has no such day."""
    then = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    year, month = divmod(then.year * 12 + then.month, 12)
    for day in range(then.day, 27, -1):
        try:
            return int(then.replace(year=year, month=month + 1, day=day).timestamp())
        except ValueError:
            continue
    return int(then.replace(year=year, month=month + 1).timestamp())
