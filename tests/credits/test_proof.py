"""Each thing that the proof claims to find is planted, and found; healthy books have none."""

import pytest
from django.db import connection

from gesso.credits import ledger
from gesso.credits.models import CreditEntry
from tests import world
from tests.credits import books
from tests.credits.books import give, take_back

pytestmark = pytest.mark.django_db

# What is planted: the invariant, the row and the words that must be found, and how the books are broken.
PLANTED = {
    "spent without an entry": (
        "I-1", "grant {pack}", "spent is 4, its entries say 3",
        "UPDATE credits_creditgrant SET available = available - 1, spent = spent + 1 WHERE id = {pack}",
    ),
    "a grant grown in secret": (
        "I-1", "grant {pack}", "issued is -17, its entries say -16",
        "UPDATE credits_creditgrant SET amount = amount + 1, available = available + 1 WHERE id = {pack}",
    ),
    "a grant that nobody gave": (
        "I-1", "workspace {workspace}", "statement ends with 10, wallet has 15",
        """INSERT INTO credits_creditgrant (workspace_id, source, amount, available, held, spent, expired, revoked,
        priority, reference, created_at) VALUES ('{workspace}', 'staff', 5, 5, 0, 0, 0, 0, 25, 'planted', now())""",
    ),
    "a lost entry": (
        "I-1", "grant {free}", "available is 0, its entries say -2",
        "DELETE FROM credits_creditentry WHERE kind = 'release' AND grant_id = {free}",
    ),
    "a changed entry": (
        "I-1", "grant {free}", "issued is -6, its entries say -7",
        "UPDATE credits_creditentry SET amount = amount + 1 WHERE id = {entry}",
    ),
    "a running balance that doesn't run": (
        "I-1", "entry {entry}", "balance_after is 7, should be 6",
        "UPDATE credits_creditentry SET balance_after = balance_after + 1 WHERE id = {entry}",
    ),
    "a wallet beside its statement": (
        "I-1", "workspace {workspace}", "statement ends with 10, wallet has 11",
        "UPDATE credits_creditgrant SET available = available + 1, held = held - 1 WHERE id = {pack}",
    ),
    "a debt that nobody wrote down": (
        "I-1", "workspace {workspace}", "owes 2, entries say 0",
        "UPDATE credits_creditaccount SET debt = 2",
    ),
    "an entry on somebody else's statement": (
        "I-1", "entry {entry}", "is of workspace {other}, its grant or hold is not",
        "UPDATE credits_creditentry SET workspace_id = '{other}' WHERE id = {entry}",
    ),
    "a hold on somebody else's grant": (
        "I-1", "entry {taken}", "is of workspace {workspace}, its grant or hold is not",
        "UPDATE credits_credithold SET workspace_id = '{other}' WHERE id = {opened}",
    ),
    "a negative bucket": (
        "I-2", "grant {free}", "its buckets are (-1, 0, 7, 0, 0)",
        "UPDATE credits_creditgrant SET available = -1, spent = 7 WHERE id = {free}",
    ),
    "a leaking grant": (
        "I-2", "grant {free}", "its buckets are (0, 0, 5, 0, 0)",
        "UPDATE credits_creditgrant SET spent = 5 WHERE id = {free}",
    ),
    "a hold that says another price": (
        "I-3", "hold closed", "it is closed with (8, 6, 2), its parts say (8, 4, 4)",
        "UPDATE credits_credithold SET captured = 6, released = 2 WHERE id = {closed}",
    ),
    "a closed hold that doesn't add up": (
        "I-3", "hold open", "it is closed with (3, 0, 0), its parts say (3, 0, 0)",
        "UPDATE credits_credithold SET state = 'closed', closed_at = now() WHERE id = {opened}",
    ),
    "an open hold that was captured": (
        "I-3", "hold closed", "it is open with (8, 4, 4), its parts say (8, 4, 4)",
        "UPDATE credits_credithold SET state = 'open', closed_at = NULL WHERE id = {closed}",
    ),
    "a hold of another size than its parts": (
        "I-3", "hold open", "it is open with (4, 0, 0), its parts say (3, 0, 0)",
        "UPDATE credits_credithold SET amount = 4 WHERE id = {opened}",
    ),
    "a part that is gone": (
        "I-3", "hold number {opened}", "its part of grant {pack} is (None, None, None, None), entries say (3, 0, 0, 0)",
        "DELETE FROM credits_holdpart WHERE hold_id = {opened}",
    ),
    "a part without entries": (
        "I-3", "hold number {opened}", "its part of grant {pack} is (3, 0, 0, 0), entries say (None, None, None, None)",
        "DELETE FROM credits_creditentry WHERE hold_id = {opened}",
    ),
    "parts that swapped what they captured": (
        "I-3", "hold number {closed}", "its part of grant {free} is (6, 2, 4, 0), entries say (6, 4, 2, 0)",
        "UPDATE credits_holdpart SET captured = 2, released = amount - 2 WHERE hold_id = {closed}",
    ),
    "a return that nobody wrote down": (
        "I-3", "hold number {closed}", "its part of grant {free} is (6, 4, 2, 1), entries say (6, 4, 2, 0)",
        "UPDATE credits_holdpart SET returned = 1 WHERE hold_id = {closed} AND grant_id = {free}",
    ),
    "held for nothing": (
        "I-3", "grant {pack}", "holds 4, its open holds say 3",
        "UPDATE credits_creditgrant SET available = available - 1, held = held + 1 WHERE id = {pack}",
    ),
}  # fmt: skip


@pytest.fixture
def names(who: world.Person) -> dict[str, object]:
    """Keep books with a bit of everything, healthy; returns what the plants call by name."""

    def hold(amount: int, reference: str, captured: int | None) -> int:
        made = ledger.hold(who.workspace.id, amount=amount, reference=reference)
        if captured is not None:
            ledger.settle(made.id, captured=captured)
        return made.id

    free, pack = give(who, 6), give(who, 16, "pack")
    closed = hold(8, "closed", 4)  # 6 and 2, of which 4 and 0 were captured
    hold(2, "used", 2)
    opened = hold(3, "open", None)
    plan = give(who, 3, "plan")
    hold(3, "owed", 3)
    take_back(plan)
    books.check()
    return {
        "workspace": who.workspace.id, "other": world.person().workspace.id, "free": free.id, "pack": pack.id,
        "closed": closed, "opened": opened, "entry": CreditEntry.objects.get(kind="grant", grant=free).id,
        "taken": CreditEntry.objects.get(kind="hold", hold_id=opened).id,
    }  # fmt: skip


@pytest.fixture
def no_checks(names: dict[str, object]) -> None:
    """Take the checks off the tables, for this test's transaction: the proof must not lean on them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass, conname FROM pg_constraint"
            " WHERE contype = 'c' AND conrelid::regclass::text LIKE 'credits%'"
        )
        for table, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


@pytest.mark.usefixtures("no_checks")
@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name: str, names: dict[str, object]) -> None:
    invariant, subject, words, broken = (text.format(**names) for text in PLANTED[name])
    with world.without_guards(), connection.cursor() as cursor:
        cursor.execute(broken)
        assert cursor.rowcount > 0
    found = books.violations()
    assert [row for row in found if (row.invariant, row.subject) == (invariant, subject) and words in row.sentence], (
        found
    )
