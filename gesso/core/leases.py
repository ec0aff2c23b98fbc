"""Who works on a row now: a lease with an owner, an end and an epoch that fences every later write.

The renewer is a thread of its own with a connection of its own, so that neither a busy event loop nor a busy
thread pool lets a lease of a living worker run out.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable

import structlog

SECONDS = 15
RENEW_EVERY = 5

log = structlog.get_logger()


def owner_name() -> str:
    """Return a name for this process, new at every start: host, pid, random."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class Renewer:
    """Calls `renew()` every five seconds from a thread of its own until `stop`."""

    def __init__(self, renew: Callable[[], int]) -> None:
        self._renew = renew
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-renewer", daemon=True)

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """End renewing and wait for the thread."""
        self._stopped.set()
        self._thread.join(timeout=RENEW_EVERY)

    def _run(self) -> None:
        from django.db import connection

        while not self._stopped.wait(RENEW_EVERY):
            try:
                self._renew()
            except Exception:  # the database is away: say so, try again, the lease may still hold
                log.exception("lease renewal failed")
                connection.close()
        connection.close()
