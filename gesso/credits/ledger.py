"""The ledger: every movement of credits, and nothing else moves them.

Each verb locks the workspace's account row first, changes grants, holds and debt, and writes one entry for each
movement from bucket to bucket, in the caller's transaction. A hold ends once, with `settle`. Nothing is ever updated to
"fix" a balance; the constraints of `models` and the triggers of the migration refuse whatever would not add up.

Burn order: soonest-expiring first, ties free before paid (`priority`), then oldest.
"""

import dataclasses
import datetime
import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F

from gesso.core import clock
from gesso.credits.models import CreditAccount, CreditEntry, CreditGrant, CreditHold, HoldPart

MAKE_GOOD_HOURS = 24
PRIORITIES = {"daily": 10, "make-good": 15, "promo": 20, "staff": 25, "plan": 30, "pack": 40}
PAID = frozenset({"plan", "pack"})  # only these repay debt
LARGEST = 1_000_000_000  # credits in one grant or hold

Source = CreditGrant.Source
Bucket = CreditEntry.Bucket
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
    books = _Books.open(workspace_id)
    known = CreditGrant.objects.filter(reference=reference).first()
    if known:
        if known.workspace_id != workspace_id:
            raise ValueError(f"the reference {reference} belongs to a grant of another workspace")
        books.close()
        return known
    return books.grant(Source(source), amount, reference, expires_at, actor, reason)


@transaction.atomic
def hold(workspace_id: uuid.UUID, *, amount: int, reference: str, actor: str = "") -> CreditHold:
    """Set `amount` credits aside for `reference`, from the grants in burn order.

    Raises InDebt, InsufficientCredits; nothing has changed then.
    """
    if not 1 <= amount <= LARGEST:
        raise ValueError(f"a hold must be of 1 to {LARGEST} credits, not {amount}")
    books = _Books.open(workspace_id)
    if books.account.debt:
        raise InDebt(books.account.debt)
    if books.available < amount:
        raise InsufficientCredits(amount, books.available)
    made = CreditHold.objects.create(
        workspace_id=workspace_id, amount=amount, reference=reference, created_at=books.now
    )
    parts = []
    left = amount
    for lot in books.lots:
        taken = min(left, lot.available)
        left -= taken
        CreditGrant.objects.filter(id=lot.id).update(available=F("available") - taken, held=F("held") + taken)
        parts.append(HoldPart(hold=made, grant=lot, amount=taken))
        books.note(Kind.HOLD, lot.id, taken, hold=made, actor=actor)
        if not left:
            break
    HoldPart.objects.bulk_create(parts)
    books.close()
    return made


@transaction.atomic
def settle(hold_id: int, *, captured: int, by_member: bool = False, actor: str = "") -> Settlement:
    """End a hold: spend `captured` of it in burn order, give the rest back to its own grants.

    What goes back to a grant that expired meanwhile expires visibly and is made good by a grant of 24 hours, unless the
    member canceled (`by_member`) or it was a make-good grant itself: else daily credits could be carried over for ever.
    Raises HoldClosed on a second call, ValueError for a capture outside 0 to the hold's amount.
    """
    books = _Books.open_where(workspace__credit_holds=hold_id)
    parts = _parts(hold_id)
    held = parts[0].hold
    if held.state == CreditHold.State.CLOSED:
        raise HoldClosed(f"The hold {held.reference} has ended already.")
    if not 0 <= captured <= held.amount:
        raise ValueError(f"cannot capture {captured} of a hold of {held.amount}")
    left, made_good = captured, 0
    for part in parts:
        spent = min(left, part.amount)
        back = part.amount - spent
        left -= spent
        HoldPart.objects.filter(id=part.id).update(captured=spent, released=back)
        CreditGrant.objects.filter(id=part.grant_id).update(
            held=F("held") - part.amount, spent=F("spent") + spent, available=F("available") + back
        )
        if spent:
            books.note(Kind.CAPTURE, part.grant_id, spent, hold=held, actor=actor)
        if back:
            books.note(Kind.RELEASE, part.grant_id, back, hold=held, actor=actor)
            made_good += books.came_back(
                part.grant, back, f"make-good:{held.reference}:{part.grant_id}", held, by_member
            )
    CreditHold.objects.filter(id=hold_id).update(
        captured=captured, released=held.amount - captured, state=CreditHold.State.CLOSED, closed_at=books.now
    )
    books.close()
    return Settlement(captured, held.amount - captured, made_good)


@transaction.atomic
def give_back(hold_id: int, *, amount: int, reference: str, reason: str, actor: str = "") -> int:
    """Return `amount` captured credits of an ended hold to their grants, the part captured last first.

    Bounded by what was captured and not returned yet; the same `reference` again changes nothing. Returns how many.
    """
    if amount < 1:
        raise ValueError(f"cannot give back {amount} credits")
    books = _Books.open_where(workspace__credit_holds=hold_id)
    if CreditEntry.objects.filter(reference=reference, kind=Kind.RETURN).exists():
        books.close()
        return 0
    left = amount
    for part in reversed(_parts(hold_id)):
        back = min(left, part.captured - part.returned)
        if not back:
            continue
        left -= back
        HoldPart.objects.filter(id=part.id).update(returned=F("returned") + back)
        CreditGrant.objects.filter(id=part.grant_id).update(spent=F("spent") - back, available=F("available") + back)
        books.note(Kind.RETURN, part.grant_id, back, hold=part.hold, reference=reference, actor=actor, reason=reason)
        books.came_back(part.grant, back, f"make-good:{reference}:{part.grant_id}", part.hold, by_member=False)
    books.close()
    return amount - left


@transaction.atomic
def revoke(grant_id: int, *, reference: str, reason: str, actor: str) -> Revocation:
    """Take a grant back (a refund, a lost dispute): what is left is revoked, what was spent or is held becomes debt.

    The same `reference` again changes nothing, and another one never takes more than the grant was of: what came back
    to it after its debt was written down has been paid for.
    """
    books = _Books.open_where(workspace__credit_grants=grant_id)
    if CreditEntry.objects.filter(reference=reference, kind__in=[Kind.REVOKE, Kind.DEBT]).exists():
        books.close()
        return Revocation(0, 0)
    lot = CreditGrant.objects.get(id=grant_id)
    owed_before = sum(CreditEntry.objects.filter(grant_id=grant_id, kind=Kind.DEBT).values_list("amount", flat=True))
    due = max(lot.amount - lot.expired - lot.revoked - owed_before, 0)
    revoked = min(lot.available, due)
    if revoked:
        CreditGrant.objects.filter(id=grant_id).update(
            available=F("available") - revoked, revoked=F("revoked") + revoked
        )
        books.note(Kind.REVOKE, grant_id, revoked, reference=reference, actor=actor, reason=reason)
    if due > revoked:
        books.owe(grant_id, due - revoked, reference, actor, reason)
    books.close()
    return Revocation(revoked, due - revoked)


def expire_due(workspace_id: uuid.UUID | None) -> int:
    """Post the expiry of grants whose time is over, of one workspace or of all; returns how many credits expired."""
    due = CreditGrant.objects.filter(available__gt=0, expires_at__lte=clock.now())
    if workspace_id:
        due = due.filter(workspace_id=workspace_id)
    total = 0
    for number in due.values_list("workspace_id", flat=True).distinct():
        with transaction.atomic():
            books = _Books.open(number)
            total += books.just_expired
            books.close()
    return total


def _parts(hold_id: int) -> list[HoldPart]:
    """Return the parts of a hold in the order they burn, with their grants and the hold; there is at least one."""
    return list(HoldPart.objects.filter(hold_id=hold_id).select_related("hold", "grant").order_by("id"))


class _Books:
    """One workspace's ledger, open for one write: account locked, due grants expired, entries gathered till `close`."""

    def __init__(self, account: CreditAccount, now: datetime.datetime) -> None:
        self.account = account
        self.workspace_id = account.workspace_id
        self.now = now
        self.lots: Sequence[CreditGrant] = ()
        self.available = 0
        self.just_expired = 0
        self._entries: list[CreditEntry] = []

    @classmethod
    def open(cls, workspace_id: uuid.UUID) -> "_Books":
        """Lock the account (made on first use), read the grants with something left, and expire those that are due."""
        locked = CreditAccount.objects.select_for_update().filter(workspace_id=workspace_id)
        account = locked.first()
        if account is None:
            CreditAccount.objects.bulk_create([CreditAccount(workspace_id=workspace_id)], ignore_conflicts=True)
            account = locked.get()
        return cls._opened(account)

    @classmethod
    def open_where(cls, **whose: int) -> "_Books":
        """Open the books of the workspace that has this hold or grant, in one step."""
        return cls._opened(CreditAccount.objects.select_for_update(of=("self",)).get(**whose))

    @classmethod
    def _opened(cls, account: CreditAccount) -> "_Books":
        books = cls(account, clock.now())
        lots = list(
            CreditGrant.objects.filter(workspace_id=account.workspace_id, available__gt=0).order_by(
                F("expires_at").asc(nulls_last=True), "priority", "created_at", "id"
            )
        )
        books.available = sum(lot.available for lot in lots)
        books.lots = [lot for lot in lots if not books._expire(lot.id, lot.available, lot.expires_at)]
        return books

    def grant(
        self,
        source: CreditGrant.Source,
        amount: int,
        reference: str,
        expires_at: datetime.datetime | None,
        actor: str,
        reason: str,
    ) -> CreditGrant:
        """Make a grant and write its entry; a paid one repays debt."""
        made = CreditGrant.objects.create(
            workspace_id=self.workspace_id, source=source, amount=amount, available=amount,
            priority=PRIORITIES[source.value], expires_at=expires_at, reference=reference, created_at=self.now,
        )  # fmt: skip
        self.note(Kind.GRANT, made.id, amount, reference=reference, actor=actor, reason=reason)
        if self._repay(made, amount, reference=reference, actor=actor):
            made.refresh_from_db()
        self.close()
        return made

    def came_back(
        self,
        lot: CreditGrant,
        amount: int,
        reference: str,
        held: CreditHold,
        by_member: bool,
    ) -> int:
        """See to credits that came back to `lot`: from a paid one they first repay debt, as a new grant would.

        What remains expires if the lot did meanwhile, and may be made good. Returns the credits granted anew.
        """
        amount -= self._repay(lot, amount, hold=held)
        if not amount or not self._expire(lot.id, amount, lot.expires_at):
            return 0
        if by_member or lot.source == Source.MAKE_GOOD:
            return 0
        until = self.now + datetime.timedelta(hours=MAKE_GOOD_HOURS)
        self.grant(
            Source.MAKE_GOOD, amount, reference, until, "", f"Came back after its grant had expired: {held.reference}"
        )
        return amount

    def owe(self, grant_id: int, amount: int, reference: str, actor: str, reason: str) -> None:
        """Add to the workspace's debt."""
        CreditAccount.objects.filter(workspace_id=self.workspace_id).update(debt=F("debt") + amount)
        self.account.debt += amount
        self.note(Kind.DEBT, grant_id, amount, reference=reference, actor=actor, reason=reason)

    def note(
        self,
        kind: CreditEntry.Kind,
        grant_id: int,
        amount: int,
        *,
        hold: CreditHold | None = None,
        reference: str = "",
        actor: str = "",
        reason: str = "",
    ) -> None:
        """Gather one entry; the balance after it follows from its buckets."""
        origin, target = _BUCKETS[kind]
        self.available += amount * ((target == Bucket.AVAILABLE) - (origin == Bucket.AVAILABLE))
        self._entries.append(
            CreditEntry(
                workspace_id=self.workspace_id, grant_id=grant_id, hold=hold, kind=kind, from_bucket=origin,
                to_bucket=target, amount=amount, balance_after=self.available,
                reference=reference or (hold.reference if hold else ""), actor=actor, reason=reason, at=self.now,
            )
        )  # fmt: skip

    def close(self) -> None:
        """Write the gathered entries in their order."""
        CreditEntry.objects.bulk_create(self._entries)
        self._entries = []

    def _repay(
        self, lot: CreditGrant, amount: int, *, hold: CreditHold | None = None, reference: str = "", actor: str = ""
    ) -> int:
        repaid = min(amount, self.account.debt) if lot.source in PAID else 0
        if repaid:
            CreditGrant.objects.filter(id=lot.id).update(available=F("available") - repaid, spent=F("spent") + repaid)
            CreditAccount.objects.filter(workspace_id=self.workspace_id).update(debt=F("debt") - repaid)
            self.account.debt -= repaid
            self.note(
                Kind.REPAY, lot.id, repaid, hold=hold, reference=reference, actor=actor, reason="Repays what was owed."
            )
        return repaid

    def _expire(self, grant_id: int, amount: int, expires_at: datetime.datetime | None) -> bool:
        if expires_at is None or expires_at > self.now:
            return False
        CreditGrant.objects.filter(id=grant_id).update(available=F("available") - amount, expired=F("expired") + amount)
        self.note(Kind.EXPIRE, grant_id, amount)
        self.just_expired += amount
        return True


_BUCKETS: dict[CreditEntry.Kind, tuple[CreditEntry.Bucket, CreditEntry.Bucket]] = {
    Kind.GRANT: (Bucket.ISSUED, Bucket.AVAILABLE),
    Kind.HOLD: (Bucket.AVAILABLE, Bucket.HELD),
    Kind.CAPTURE: (Bucket.HELD, Bucket.SPENT),
    Kind.RELEASE: (Bucket.HELD, Bucket.AVAILABLE),
    Kind.RETURN: (Bucket.SPENT, Bucket.AVAILABLE),
    Kind.EXPIRE: (Bucket.AVAILABLE, Bucket.EXPIRED),
    Kind.REVOKE: (Bucket.AVAILABLE, Bucket.REVOKED),
    Kind.DEBT: (Bucket.DEBT, Bucket.ISSUED),
    Kind.REPAY: (Bucket.AVAILABLE, Bucket.SPENT),
}
