"""Looking at a gateway and bringing our rows in line: the one way from a subject to what becomes of it.

Invariants: two who look at the same moment end with what the later look saw; a plan that money came for is looked at
with it, so that none begins that has ended meanwhile. Never inside a transaction.
"""

from collections.abc import Iterable

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
            changes += fulfilment.apply(till.name, states, asked_at=asked_at)
        except fulfilment.Stale as stale:
            changes += stale.changes
            continue
        if changes:
            for number in _plans_paid(states):
                changes += look(till, protocol.Subject("subscription", number))
        return changes
    raise protocol.Unavailable("It changes faster than it can be looked at.")


def _plans_paid(states: Iterable[protocol.State]) -> set[str]:
    """Return the subscriptions that money came for and that were not looked at themselves."""
    paid = {state.subscription for state in states if isinstance(state, protocol.PaymentState) and state.subscription}
    return paid - {state.id for state in states if isinstance(state, protocol.SubscriptionState)}
