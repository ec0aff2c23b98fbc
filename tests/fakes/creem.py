"""A fake Creem: `with FakeCreem() as creem:` runs a store over real HTTP on loopback, for as long as the block lasts.

    creem.url, creem.api_key, creem.webhook_secret    what CREEM_API_BASE, CREEM_API_KEY, CREEM_WEBHOOK_SECRET should be
    creem.shop       products, and what happens to checkouts and payments: pay, settle, decline, expire, refund, dispute
    creem_months     what happens to subscriptions: next_period, upgrade, cancel, resume, end_now
    creem.outbox     the signed webhooks: deliver (twice, mixed, late, never), attempt (one again)
    creem.server     faults for the next calls, the journal of all

Where Creem's documentation leaves something open, the module that decides says so.
"""

import threading
from types import TracebackType
from typing import Self

from tests.fakes import creem_outbox, creem_server, creem_shop

WEBHOOK_SECRET = "whsec_of_a_fake_creem_store"


class FakeCreem:
    """One store; `live` pretends that it takes real money."""

    def __init__(self, *, live: bool = False, port: int = 0) -> None:
        self.api_key = "creem_live_of_a_fake_store" if live else "creem_test_of_a_fake_store"
        self.webhook_secret = WEBHOOK_SECRET
        self.outbox = creem_outbox.Outbox(self.webhook_secret)
        self.shop = creem_shop.Shop(self.outbox, live=live)
        self.server = creem_server.Server(self.shop, self.api_key, port)
        self.url = self.server.url

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def environment(self) -> dict[str, str]:
        """Return the environment that runs Gesso against this store."""
        return {
            "CREEM_API_KEY": self.api_key, "CREEM_WEBHOOK_SECRET": self.webhook_secret, "CREEM_API_BASE": self.url,
        }  # fmt: skip
