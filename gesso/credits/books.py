"""The books of one workspace, open for one write: the account's row locked, what is due expired, entries gathered.

Only the verbs of `ledger` open books. An entry names the bucket that credits leave and the one that they come to; the
pairs are the table `BUCKETS`. Every generation passes here twice, so these are plain statements (a tenth of the ORM's
CPU).
"""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import F

from gesso.core import clock
from gesso.credits.models import CreditAccount, CreditEntry, CreditGrant

MAKE_GOOD_HOURS = 24
PRIORITIES = {"daily": 10, "make-good": 15, "promo": 20, "staff": 25, "plan": 30, "pack": 40}
PAID = frozenset({"plan", "pack"})  # only these repay debt

Source = CreditGrant.Source
Bucket = CreditEntry.Bucket
Kind = CreditEntry.Kind

BUCKETS: dict[CreditEntry.Kind, tuple[CreditEntry.Bucket, CreditEntry.Bucket]] = {
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

# Whose books: by the workspace's own id, a hold's or a grant's.
ITSELF = "%s::uuid"
OF_HOLD = "(SELECT workspace_id FROM credits_credithold WHERE id = %s)"
OF_GRANT = "(SELECT workspace_id FROM credits_creditgrant WHERE id = %s)"
_LOCK = "SELECT workspace_id, debt FROM credits_creditaccount WHERE workspace_id = {workspace} FOR UPDATE"
_LOTS = """
SELECT id, source, available, expires_at FROM credits_creditgrant WHERE workspace_id = %s AND available > 0
ORDER BY expires_at ASC NULLS LAST, priority, created_at, id
"""
MOVE = """
UPDATE credits_creditgrant SET available = available + %s, held = held + %s, spent = spent + %s WHERE id = %s
"""
_PARTS = """
SELECT hold.id, hold.reference, hold.state, hold.amount, part.id, part.amount, part.captured, part.returned,
       lot.id, lot.source, lot.available, lot.expires_at
FROM credits_holdpart AS part
JOIN credits_credithold AS hold ON hold.id = part.hold_id
JOIN credits_creditgrant AS lot ON lot.id = part.grant_id
WHERE part.hold_id = %s ORDER BY part.id
"""
_ENTRIES = """
INSERT INTO credits_creditentry (workspace_id, grant_id, hold_id, kind, from_bucket, to_bucket, amount, balance_after,
                                 reference, actor, reason, at) VALUES
"""
_ENTRY = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


class Lot(NamedTuple):
    """A grant as the books need it."""

    id: int
    source: str
    available: int
    expires_at: datetime.datetime | None


class Held(NamedTuple):
    """A hold as it was when its parts were read."""

    id: int
    reference: str
    state: str
    amount: int


class Part(NamedTuple):
    """What one grant gave to a hold."""

    id: int
    amount: int
    captured: int
    returned: int
    lot: Lot


def parts(hold_id: int) -> tuple[Held, list[Part]]:
    """Return a hold and its parts in the order they burn; there is at least one."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, [hold_id])
        rows = cursor.fetchall()
    return Held(*rows[0][:4]), [Part(row[4], row[5], row[6], row[7], Lot(*row[8:])) for row in rows]


def move(grant_id: int, *, available: int = 0, held: int = 0, spent: int = 0) -> None:
    """Change a grant's buckets by these amounts; the constraint refuses what does not add up."""
    with connection.cursor() as cursor:
        cursor.execute(MOVE, [available, held, spent, grant_id])


class Books:
    """One workspace's ledger, open for one write: account locked, due grants expired, entries gathered till `close`."""

    def __init__(self, workspace_id: uuid.UUID, debt: int, now: datetime.datetime) -> None:
        self.workspace_id = workspace_id
        self.debt = debt
        self.now = now
        self.lots: Sequence[Lot] = ()
        self.available = 0
        self.just_expired = 0
        self._entries: list[tuple[object, ...]] = []

    @classmethod
    def open_for(cls, workspace_id: uuid.UUID, now: datetime.datetime | None = None) -> "Books":
        """Open a workspace's books; its account is made on first use."""
        try:
            return cls.open(ITSELF, workspace_id, now)
        except CreditAccount.DoesNotExist:
            CreditAccount.objects.bulk_create([CreditAccount(workspace_id=workspace_id)], ignore_conflicts=True)
            return cls.open(ITSELF, workspace_id, now)

    @classmethod
    def open(cls, workspace: str, number: uuid.UUID | int, now: datetime.datetime | None = None) -> "Books":
        """Lock the account of the workspace that the SQL expression `workspace` names, and expire what is due.

        `now` is this transaction's own, where the caller has asked for it already.
        """
        with connection.cursor() as cursor:
            cursor.execute(_LOCK.format(workspace=workspace), [number])
            row = cursor.fetchone()
            if row is None:
                raise CreditAccount.DoesNotExist
            books = cls(row[0], row[1], now or clock.now())
            cursor.execute(_LOTS, [books.workspace_id])
            lots = [Lot(*row) for row in cursor.fetchall()]
        books.available = sum(lot.available for lot in lots)
        books.lots = [lot for lot in lots if not books._expire(lot, lot.available)]
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
        lot = Lot(made.id, made.source, amount, expires_at)
        if self._repay(lot, amount, reference=reference, actor=actor):
            made.refresh_from_db()
        self.close()
        return made

    def came_back(
        self,
        lot: Lot,
        amount: int,
        held: Held,
        reference: str,
        by_member: bool,
    ) -> int:
        """See to credits that came back to `lot`: from a paid one they first repay debt, as a new grant would.

        What remains expires if the lot did meanwhile, and may be made good. Returns the credits granted anew.
        """
        amount -= self._repay(lot, amount, hold=held.id, reference=held.reference)
        if not amount or not self._expire(lot, amount):
            return 0
        if by_member or lot.source == Source.MAKE_GOOD:
            return 0
        until = self.now + datetime.timedelta(hours=MAKE_GOOD_HOURS)
        why = f"Came back after its grant had expired: {held.reference}"
        self.grant(Source.MAKE_GOOD, amount, f"{reference}:{lot.id}", until, "", why)
        return amount

    def owe(self, grant_id: int, amount: int, reference: str, actor: str, reason: str) -> None:
        """Add to the workspace's debt, and repay it at once from the paid grants that have credits left."""
        CreditAccount.objects.filter(workspace_id=self.workspace_id).update(debt=F("debt") + amount)
        self.debt += amount
        self.note(Kind.DEBT, grant_id, amount, reference=reference, actor=actor, reason=reason)
        for lot in self.lots:
            if lot.id != grant_id:  # which has nothing left: that is why something is owed
                self._repay(lot, lot.available, reference=reference, actor=actor)

    def note(
        self,
        kind: CreditEntry.Kind,
        grant_id: int,
        amount: int,
        *,
        hold: int | None = None,
        reference: str = "",
        actor: str = "",
        reason: str = "",
    ) -> None:
        """Gather one entry; the balance after it follows from its buckets."""
        origin, target = BUCKETS[kind]
        self.available += amount * ((target == Bucket.AVAILABLE) - (origin == Bucket.AVAILABLE))
        self._entries.append((
            self.workspace_id, grant_id, hold, kind.value, origin.value, target.value, amount, self.available,
            reference, actor, reason, self.now,
        ))  # fmt: skip

    def close(self) -> None:
        """Write the gathered entries in their order."""
        if self._entries:
            with connection.cursor() as cursor:
                values: list[Any] = [value for entry in self._entries for value in entry]
                cursor.execute(_ENTRIES + ", ".join([_ENTRY] * len(self._entries)), values)
        self._entries = []

    def _repay(self, lot: Lot, amount: int, *, hold: int | None = None, reference: str = "", actor: str = "") -> int:
        repaid = min(amount, self.debt) if lot.source in PAID else 0
        if repaid:
            move(lot.id, available=-repaid, spent=repaid)
            CreditAccount.objects.filter(workspace_id=self.workspace_id).update(debt=F("debt") - repaid)
            self.debt -= repaid
            self.note(
                Kind.REPAY, lot.id, repaid, hold=hold, reference=reference, actor=actor, reason="Repays what was owed."
            )
        return repaid

    def _expire(self, lot: Lot, amount: int) -> bool:
        if lot.expires_at is None or lot.expires_at > self.now:
            return False
        CreditGrant.objects.filter(id=lot.id).update(available=F("available") - amount, expired=F("expired") + amount)
        self.note(Kind.EXPIRE, lot.id, amount)
        self.just_expired += amount
        return True
