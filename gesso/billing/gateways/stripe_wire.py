"""Asking Stripe: one door over its official client, with answers as plain dicts and errors in our words.

Invariant: no error's text, and nothing chained to it, carries a key, a secret or a whole answer.
"""

from collections.abc import Callable, Iterator
from typing import Any

import stripe

from gesso.billing.gateways import protocol

TIMEOUTS = (5.0, 15.0)  # seconds to connect, and between bytes
RETRIES = 1  # safe, because whatever makes something carries a key
PAGE = 100

Thing = dict[str, Any]


class NotThere(protocol.Refused):
    """There is nothing under an id."""


class ThereAlready(protocol.Refused):
    """There is something under an id already."""


class Wire:
    """Stripe's API with one key. `api` is what the client offers; `ask` is how it is called."""

    def __init__(self, api_key: str, base_url: str) -> None:
        client = stripe.StripeClient(
            api_key, base_addresses={"api": base_url.rstrip("/")}, max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUTS),
        )  # fmt: skip
        self.api = client.v1
        self._key = api_key

    def ask(self, call: Callable[..., Any], *words: object) -> Thing:
        """Return what Stripe answers to `call`. Raises Unavailable, and Refused or one of its kinds."""
        try:
            answer: Thing = call(*words).to_dict()
        except stripe.StripeError as error:
            raise self._told(error) from None
        return answer

    def rows(self, call: Callable[..., Any], params: Thing) -> list[Thing]:
        """Return the first rows of a list."""
        found: list[Thing] = self.ask(call, params)["data"]
        return found

    def every(self, call: Callable[..., Any], params: Thing) -> Iterator[Thing]:
        """Yield all rows of a list, asking for a page when it is come to."""
        more, place = True, Thing()
        while more:
            page = self.ask(call, params | {"limit": PAGE} | place)
            yield from page["data"]
            more = page["has_more"] and bool(page["data"])
            place = {"starting_after": page["data"][-1]["id"]} if more else {}

    def _told(self, error: stripe.StripeError) -> protocol.Unavailable | protocol.Refused:
        status = error.http_status or 0
        if isinstance(error, stripe.APIConnectionError):
            return protocol.Unavailable("Stripe does not answer.")
        if status in {409, 429} or isinstance(error, stripe.APIError):
            return protocol.Unavailable(f"Stripe can't answer now (status {status}).")
        if status in {401, 403}:
            return protocol.Refused("Stripe does not accept our key for this.")
        sentence = str(error.user_message or "Stripe refused without a reason.").replace(self._key, "(key)")
        kind = {"resource_missing": NotThere, "resource_already_exists": ThereAlready}.get(error.code or "")
        return (kind or protocol.Refused)(sentence[:300])
