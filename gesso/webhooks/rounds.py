"""What the worker does for billing: handle webhooks as they come, and look at the gateways every quarter of an hour.

Threads of its own, because gateways are slow: generations don't wait for them, nor webhooks for a long look. Several
workers do no harm.
"""

import threading
import time
from collections.abc import Callable

import structlog
from django.db import close_old_connections, connection

from gesso.billing import reconciliation
from gesso.webhooks import inbox

EVERY = 1.0  # seconds between looks into the inbox
RECONCILE_LOOK = 60.0  # seconds between looks whether a round is due
STOP_SECONDS = 2.0  # how long what is in hand is waited for

log = structlog.get_logger()


class Loop:
    """Goes round until `stop`; what fails is logged and tried in the next round."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        turns = ((self._hear, EVERY, "webhooks"), (self._look, RECONCILE_LOOK, "reconciliation"))
        self._threads = [
            threading.Thread(target=self._run, args=(turn, pause), name=name, daemon=True)
            for turn, pause, name in turns
        ]

    def start(self) -> None:
        """Begin at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after what is in hand, which is not waited for longer than a moment: done again, it does no harm."""
        self._stopped.set()
        until = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def _run(self, turn: Callable[[], None], pause: float) -> None:
        while not self._stopped.is_set():
            try:
                turn()
            except Exception:
                log.exception("a round of billing failed")
            finally:
                close_old_connections()
            self._stopped.wait(pause)
        connection.close()

    def _hear(self) -> None:
        inbox.handle_due(self._stopped.is_set)

    def _look(self) -> None:
        reconciliation.run_due(self._stopped.is_set)
        inbox.tidy()
