"""What the worker does for billing: handle webhooks as they come, and look at the gateways every quarter of an hour.

A thread of its own, because gateways are slow and generations must not wait for them. Several workers do no harm.
"""

import threading
import time

import structlog
from django.db import close_old_connections

from gesso.billing import reconciliation
from gesso.webhooks import inbox

EVERY = 1.0  # seconds between looks into the inbox
RECONCILE_LOOK = 60.0  # seconds between looks whether a round is due

log = structlog.get_logger()


class Loop:
    """Goes round until `stop`; what fails is logged and tried in the next round."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="billing", daemon=True)
        self._reconciled = -RECONCILE_LOOK

    def start(self) -> None:
        """Begin at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round in hand, which is not waited for longer than a moment."""
        self._stopped.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._round()
            except Exception:
                log.exception("a round of billing failed")
            finally:
                close_old_connections()
            self._stopped.wait(EVERY)

    def _round(self) -> None:
        inbox.handle_due()
        if time.monotonic() - self._reconciled >= RECONCILE_LOOK:
            self._reconciled = time.monotonic()
            reconciliation.run_due()
