"""What the ledger ought to do, in plain Python: lists, integers and the rules of the ledger, and nothing of the product's.

It has no database, no locks and no entries; the state machine holds the real ledger against it after every step. Only
the errors and the answers are the ledger's own classes, so that they can be compared.
"""

import dataclasses
import datetime

from gesso.credits import ledger

FREE_BEFORE_PAID = ("daily", "make-good", "promo", "staff", "plan", "pack")
NEVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)


@dataclasses.dataclass(eq=False)
class Lot:
    """A grant and its buckets; `owed` is what revoking it wrote down as debt."""

    source: str
    amount: int
    expires_at: datetime.datetime | None
    number: int
    available: int
    held: int = 0
    spent: int = 0
    expired: int = 0
    revoked: int = 0
    owed: int = 0

    @property
    def paid(self) -> bool:
        return self.source in ("plan", "pack")

    def over(self, now: datetime.datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def turn(self) -> tuple[object, ...]:
        """Sort in burn order; a later number is a later grant."""
        return self.expires_at or NEVER, FREE_BEFORE_PAID.index(self.source), self.number


@dataclasses.dataclass(eq=False)
class Part:
    lot: Lot
    amount: int
    captured: int = 0
    released: int = 0
    returned: int = 0


@dataclasses.dataclass(eq=False)
class Hold:
    amount: int
    parts: list[Part]
    captured: int = 0
    released: int = 0
    open: bool = True


class Model:
    """One workspace's credits as they ought to be."""

    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.holds: list[Hold] = []
        self.debt = 0
        self.days: set[datetime.date] = set()
        self.returns: set[str] = set()
        self.refunds: set[str] = set()

    def spendable(self, now: datetime.datetime) -> int:
        return sum(lot.available for lot in self.lots if not lot.over(now))

    def expire(self, now: datetime.datetime) -> int:
        """Every write but a refused one begins with this."""
        before = sum(lot.expired for lot in self.lots)
        for lot in self.lots:
            if lot.over(now):
                lot.expired, lot.available = lot.expired + lot.available, 0
        return sum(lot.expired for lot in self.lots) - before

    def grant(self, now: datetime.datetime, source: str, amount: int, expires_at: datetime.datetime | None) -> None:
        self.expire(now)
        self._add(source, amount, expires_at)

    def hold(self, now: datetime.datetime, amount: int) -> None:
        if self.debt:
            raise ledger.InDebt(self.debt)
        if self.spendable(now) < amount:
            raise ledger.InsufficientCredits(amount, self.spendable(now))
        self.expire(now)
        made = Hold(amount, [])
        for lot in sorted(self.lots, key=Lot.turn):
            taken = min(lot.available, amount - sum(part.amount for part in made.parts))
            if taken:
                lot.available, lot.held = lot.available - taken, lot.held + taken
                made.parts.append(Part(lot, taken))
        self.holds.append(made)

    def settle(self, now: datetime.datetime, held: Hold, captured: int, *, by_member: bool) -> ledger.Settlement:
        if not held.open:
            raise ledger.HoldClosed
        self.expire(now)
        held.open, held.captured, held.released = False, captured, held.amount - captured
        made_good = 0
        for part in held.parts:
            part.captured = min(part.amount, captured)
            part.released = part.amount - part.captured
            captured -= part.captured
            part.lot.held -= part.amount
            part.lot.spent += part.captured
            made_good += self._came_back(now, part.lot, part.released, by_member=by_member)
        return ledger.Settlement(held.captured, held.released, made_good)

    def give_back(self, now: datetime.datetime, held: Hold, amount: int, reference: str) -> int:
        self.expire(now)
        given = 0
        for part in reversed(held.parts):
            back = min(amount - given, part.captured - part.returned) if reference not in self.returns else 0
            part.returned += back
            part.lot.spent -= back
            given += back
            self._came_back(now, part.lot, back, by_member=False)
        if given:
            self.returns.add(reference)
        return given

    def revoke(self, now: datetime.datetime, lot: Lot, reference: str) -> ledger.Revocation:
        self.expire(now)
        due = max(0, lot.amount - lot.expired - lot.revoked - lot.owed)
        if reference in self.refunds or not due:
            return ledger.Revocation(0, 0)
        self.refunds.add(reference)
        taken = min(due, lot.available)
        lot.available, lot.revoked = lot.available - taken, lot.revoked + taken
        lot.owed += due - taken
        self.debt += due - taken
        for other in sorted(self.lots, key=Lot.turn):
            self._repay(other, other.available)
        return ledger.Revocation(taken, due - taken)

    def allowance(self, now: datetime.datetime, daily: int) -> None:
        if now.date() in self.days:
            return
        self.days.add(now.date())
        midnight = datetime.datetime.combine(now.date(), datetime.time.min, tzinfo=datetime.UTC)
        self.grant(now, "daily", daily, midnight + datetime.timedelta(days=1))

    def _add(self, source: str, amount: int, expires_at: datetime.datetime | None) -> None:
        lot = Lot(source, amount, expires_at, len(self.lots), amount)
        self.lots.append(lot)
        self._repay(lot, amount)

    def _repay(self, lot: Lot, amount: int) -> int:
        repaid = min(amount, self.debt) if lot.paid else 0
        lot.available, lot.spent = lot.available - repaid, lot.spent + repaid
        self.debt -= repaid
        return amount - repaid

    def _came_back(self, now: datetime.datetime, lot: Lot, amount: int, *, by_member: bool) -> int:
        lot.available += amount
        left = self._repay(lot, amount)
        if not left or not lot.over(now):
            return 0
        lot.available, lot.expired = lot.available - left, lot.expired + left
        if by_member or lot.source == "make-good":
            return 0
        self._add("make-good", left, now + datetime.timedelta(hours=24))
        return left
