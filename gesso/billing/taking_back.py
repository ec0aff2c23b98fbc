"""Refunds and disputes: credits go back in the measure of the money that did, and come again when it stayed after all.

Invariant: `claimed` follows from what the gateway reports alone; `taken_back` is as much of it as could be taken, so
that refunds and disputes end the same in whatever order they are heard.
"""

from gesso.billing import plans
from gesso.billing.gateways import protocol
from gesso.billing.models import Order, Payment
from gesso.core import clock
from gesso.credits import ledger
from gesso.credits.models import CreditGrant


def differs(payment: Payment, state: protocol.PaymentState) -> bool:
    """Return whether the gateway reports another refund or dispute than we know."""
    told = (min(state.refunded, payment.amount), state.dispute, _wanted(payment, state))
    return told != (payment.refunded, payment.dispute, payment.claimed)


def _wanted(payment: Payment, state: protocol.PaymentState) -> int:
    """Return the credits that belong to the money that went back, or is disputed."""
    if state.dispute in {"open", "lost"}:
        return payment.credits
    refunded = min(state.refunded, payment.amount)
    return payment.credits * refunded // payment.amount if refunded else 0


def follow(payment: Payment, state: protocol.PaymentState) -> str:
    """Take credits back in the measure of the money that went back, or give them again; returns the sentence."""
    refunded, wanted = min(state.refunded, payment.amount), _wanted(payment, state)
    reason = _why(payment, refunded, state.dispute)
    if wanted > payment.claimed:
        payment.moves += 1
        payment.taken_back += _revoke(payment, wanted - payment.taken_back, reason)
    elif wanted < payment.taken_back:
        payment.moves += 1
        _restore(payment, payment.taken_back - wanted, reason)
        payment.taken_back = wanted
    payment.refunded, payment.dispute, payment.claimed = refunded, state.dispute, wanted
    payment.changed_at = clock.now()
    payment.save()
    return reason


def _why(payment: Payment, refunded: int, dispute: str) -> str:
    if dispute != payment.dispute:
        return f"{payment.name}: " + {
            "open": "the payment is disputed", "won": "the dispute was decided for us", "lost": "the dispute was lost",
            "": "the dispute was withdrawn",
        }[dispute]  # fmt: skip
    return f"{payment.name}: " + ("refunded" if refunded > payment.refunded else "the refund did not go through")


def _revoke(payment: Payment, amount: int, reason: str) -> int:
    """Take `amount` credits from the payment's grants, newest first; returns how many that were, owed ones included."""
    left = amount
    for number in _grants(payment):
        taken = ledger.revoke(
            number, amount=left, reference=f"taken:{payment.id}:{payment.moves}:{number}", reason=reason,
            actor=payment.gateway,
        )  # fmt: skip
        left -= taken.revoked + taken.debt
        if not left:
            break
    return amount - left


def _grants(payment: Payment) -> list[int]:
    """Return the payment's own grant and those by which credits came again, newest first."""
    rows = CreditGrant.objects.filter(workspace_id=payment.workspace_id, reference__startswith=f"again:{payment.id}:")
    return [*rows.order_by("-id").values_list("id", flat=True), *([payment.grant_id] if payment.grant_id else [])]


def _restore(payment: Payment, amount: int, reason: str) -> None:
    source = Order.Kind.PACK if payment.subscription_id is None else Order.Kind.PLAN
    ledger.grant(
        payment.workspace_id, source=source, amount=amount, reference=f"again:{payment.id}:{payment.moves}",
        expires_at=None if source == Order.Kind.PACK else plans.end(payment.period_end), actor=payment.gateway,
        reason=reason,
    )  # fmt: skip
