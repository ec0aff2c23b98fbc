"""Looking at a gateway and bringing our rows in line: the one way from a subject to what becomes of it.

Invariant: two who look at the same moment end with what the later look saw. Never inside a transaction.
"""

from gesso.billing import fulfilment
from gesso.billing.gateways import protocol
from gesso.core import clock

LOOKS = 5  # until others are left to it


def look(till: protocol.Gateway, subject: protocol.Subject) -> list[str]:
    """Fetch how the subject stands and apply it; returns a sentence for each change.

    Raises protocol.Unavailable and Refused.
    """
    changes: list[str] = []
    for _ in range(LOOKS):
        asked_at = clock.now()
        states = till.look(subject)
        try:
            return changes + fulfilment.apply(till.name, states, asked_at=asked_at)
        except fulfilment.Stale as stale:
            changes += stale.changes
    raise protocol.Unavailable("It changes faster than it can be looked at.")
