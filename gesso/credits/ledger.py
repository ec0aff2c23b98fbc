"""The ledger: every movement of credits, and nothing else moves them.

Each verb locks the workspace's account row first, changes grants, holds and debt, and writes one entry for each
movement from bucket to bucket, in the caller's transaction. A hold ends once, with `settle`. Every generation passes
`hold` and `settle`: these two open no savepoint, so what they refuse ends the caller's transaction. Nothing is ever
updated to "fix" a balance; the constraints of `models` and the triggers of the migration refuse whatever would not
add up.

Burn order: soonest-expiring first, ties free before paid (`priority`), then oldest.
"""

import dataclasses
import datetime
import uuid

from django.db import connection, transaction
from django.db.models import F

from gesso.core import clock
from gesso.credits import books
from gesso.credits.models import CreditEntry, CreditGrant, CreditHold, HoldPart

LARGEST = 1_000_000_000  # credits in one grant or hold

Source = CreditGrant.Source
Kind = CreditEntry.Kind


class InsufficientCredits(Exception):
    """There are fewer credits than are needed: `available` against `needed`."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"This needs {needed} credits. You have {available}.")
        self.needed = needed
        self.available = available


class InDebt(Exception):
    """Credits that were taken back had been spent; until a paid grant repays `debt`, nothing can be held."""

    def __init__(self, debt: int) -> None:
        super().__init__(f"A payment was taken back after its credits were spent: {debt} credits are owed first.")
        self.debt = debt


class HoldClosed(Exception):
    """The hold has ended already; a hold ends once."""


@dataclasses.dataclass(frozen=True)
class Settlement:
    """How a hold ended: credits captured, released, and of the released those granted anew as their grant expired."""

    captured: int
    released: int
    made_good: int


@dataclasses.dataclass(frozen=True)
class Revocation:
    """What taking a grant back did: credits revoked from what was left, and credits now owed."""

    revoked: int
    debt: int


@transaction.atomic
def grant(
    workspace_id: uuid.UUID,
    *,
    source: str,
    amount: int,
    reference: str,
    expires_at: datetime.datetime | None = None,
    actor: str = "",
    reason: str = "",
) -> CreditGrant:
    """Give `amount` credits from `source`; a paid grant first repays debt. The same `reference` again changes nothing.

    `expires_at` is exclusive; None never expires. Returns the grant (the earlier one on a repeat).
    """
    if not 1 <= amount <= LARGEST:
        raise ValueError(f"a grant must be of 1 to {LARGEST} credits, not {amount}")
    ours = books.Books.open_for(workspace_id)
    known = CreditGrant.objects.filter(reference=reference).first()
    if known:
        if known.workspace_id != workspace_id:
            raise ValueError(f"the reference {reference} belongs to a grant of another workspace")
        ours.close()
        return known
    return ours.grant(Source(source), amount, reference, expires_at, actor, reason)


@transaction.atomic(savepoint=False)
def hold(
    workspace_id: uuid.UUID, *, amount: int, reference: str, actor: str = "", now: datetime.datetime | None = None
) -> CreditHold:
    """Set `amount` credits aside for `reference`, from the grants in burn order.

    `now` is the transaction's own, where the caller knows it. Raises InDebt, InsufficientCredits; the caller's whole
    transaction is rolled back then.
    """
    if not 1 <= amount <= LARGEST:
        raise ValueError(f"a hold must be of 1 to {LARGEST} credits, not {amount}")
    ours = books.Books.open_for(workspace_id, now)
    if ours.debt:
        raise InDebt(ours.debt)
    if ours.available < amount:
        raise InsufficientCredits(amount, ours.available)
    made = CreditHold(workspace_id=workspace_id, amount=amount, reference=reference, created_at=ours.now)
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [workspace_id, amount, reference, ours.now])
        (made.id,) = cursor.fetchone()
        left = amount
        parts: list[int] = []
        for lot in ours.lots:
            taken = min(left, lot.available)
            left -= taken
            cursor.execute(books.MOVE, [-taken, taken, 0, lot.id])
            parts += [made.id, lot.id, taken]
            ours.note(Kind.HOLD, lot.id, taken, hold=made.id, reference=reference, actor=actor)
            if not left:
                break
        cursor.execute(_PARTS + ", ".join([_PART] * (len(parts) // 3)), parts)
    ours.close()
    return made


@transaction.atomic(savepoint=False)
def settle(hold_id: int, *, captured: int, by_member: bool = False, actor: str = "") -> Settlement:
    """End a hold: spend `captured` of it in burn order, give the rest back to its own grants.

    What goes back to a grant that expired meanwhile expires visibly and is made good by a grant of 24 hours, unless the
    member canceled (`by_member`) or it was a make-good grant itself: else daily credits could be carried over for ever.
    Raises HoldClosed on a second call, ValueError for a capture outside 0 to the hold's amount; the caller's whole
    transaction is rolled back then.
    """
    ours = books.Books.open(books.OF_HOLD, hold_id)
    held, parts = books.parts(hold_id)
    if held.state == CreditHold.State.CLOSED:
        raise HoldClosed(f"The hold {held.reference} has ended already.")
    if not 0 <= captured <= held.amount:
        raise ValueError(f"cannot capture {captured} of a hold of {held.amount}")
    left, made_good = captured, 0
    with connection.cursor() as cursor:
        for part in parts:
            spent = min(left, part.amount)
            back = part.amount - spent
            left -= spent
            cursor.execute(_END_PART, [spent, back, part.id])
            cursor.execute(books.MOVE, [back, -part.amount, spent, part.lot.id])
            if spent:
                ours.note(Kind.CAPTURE, part.lot.id, spent, hold=hold_id, reference=held.reference, actor=actor)
            if back:
                ours.note(Kind.RELEASE, part.lot.id, back, hold=hold_id, reference=held.reference, actor=actor)
                made_good += ours.came_back(part.lot, back, held, f"make-good:{held.reference}", by_member)
        cursor.execute(_END_HOLD, [captured, held.amount - captured, ours.now, hold_id])
    ours.close()
    return Settlement(captured, held.amount - captured, made_good)


@transaction.atomic
def give_back(hold_id: int, *, amount: int, reference: str, reason: str, actor: str = "") -> int:
    """Return `amount` captured credits of an ended hold to their grants, the part captured last first.

    Bounded by what was captured and not returned yet; the same `reference` again changes nothing. Returns how many.
    """
    if amount < 1:
        raise ValueError(f"cannot give back {amount} credits")
    ours = books.Books.open(books.OF_HOLD, hold_id)
    if CreditEntry.objects.filter(reference=reference, kind=Kind.RETURN).exists():
        ours.close()
        return 0
    left = amount
    held, parts = books.parts(hold_id)
    for part in reversed(parts):
        back = min(left, part.captured - part.returned)
        if not back:
            continue
        left -= back
        HoldPart.objects.filter(id=part.id).update(returned=F("returned") + back)
        books.move(part.lot.id, available=back, spent=-back)
        ours.note(Kind.RETURN, part.lot.id, back, hold=hold_id, reference=reference, actor=actor, reason=reason)
        ours.came_back(part.lot, back, held, f"make-good:{reference}", by_member=False)
    ours.close()
    return amount - left


@transaction.atomic
def revoke(grant_id: int, *, reference: str, reason: str, actor: str, amount: int | None = None) -> Revocation:
    """Take a grant back (a refund, a dispute), or `amount` of it: first what is left is revoked, the rest becomes debt.

    Other paid grants repay that debt at once, in burn order; only what they can't pay stays owed. The same `reference`
    again changes nothing, and another one never takes more than the grant was of: what came back to it after its debt
    was written down has been paid for.
    """
    ours = books.Books.open(books.OF_GRANT, grant_id)
    if CreditEntry.objects.filter(reference=reference, kind__in=[Kind.REVOKE, Kind.DEBT]).exists():
        ours.close()
        return Revocation(0, 0)
    lot = CreditGrant.objects.get(id=grant_id)
    owed_before = sum(CreditEntry.objects.filter(grant_id=grant_id, kind=Kind.DEBT).values_list("amount", flat=True))
    due = max(lot.amount - lot.expired - lot.revoked - owed_before, 0)
    due = due if amount is None else min(due, amount)
    revoked = min(lot.available, due)
    if revoked:
        CreditGrant.objects.filter(id=grant_id).update(
            available=F("available") - revoked, revoked=F("revoked") + revoked
        )
        ours.note(Kind.REVOKE, grant_id, revoked, reference=reference, actor=actor, reason=reason)
    if due > revoked:
        ours.owe(grant_id, due - revoked, reference, actor, reason)
    ours.close()
    return Revocation(revoked, due - revoked)


def expire_due(workspace_id: uuid.UUID | None) -> int:
    """Post the expiry of grants whose time is over, of one workspace or of all; returns how many credits expired."""
    due = CreditGrant.objects.filter(available__gt=0, expires_at__lte=clock.now())
    if workspace_id:
        due = due.filter(workspace_id=workspace_id)
    total = 0
    for number in due.values_list("workspace_id", flat=True).distinct():
        with transaction.atomic():
            ours = books.Books.open_for(number)
            total += ours.just_expired
            ours.close()
    return total


_HOLD = """
INSERT INTO credits_credithold (workspace_id, amount, captured, released, state, reference, created_at)
VALUES (%s, %s, 0, 0, 'open', %s, %s) RETURNING id
"""
_PARTS = "INSERT INTO credits_holdpart (hold_id, grant_id, amount, captured, released, returned) VALUES "
_PART = "(%s, %s, %s, 0, 0, 0)"
_END_PART = "UPDATE credits_holdpart SET captured = %s, released = %s WHERE id = %s"
_END_HOLD = "UPDATE credits_credithold SET captured = %s, released = %s, state = 'closed', closed_at = %s WHERE id = %s"
