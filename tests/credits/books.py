"""The ledger's verbs in few words for tests, what the books say afterwards, and the proof that they are right."""

import itertools

from django.db import connection

from gesso.core.violations import Violation
from gesso.credits import ledger, proof, queries
from gesso.credits.models import CreditAccount, CreditEntry, CreditGrant, CreditHold
from tests import world

_numbers = itertools.count()


def fresh(word: str = "test") -> str:
    """Return a reference that nothing has used."""
    return f"{word}:{next(_numbers)}"


def give(who: world.Person, amount: int, source: str = "staff", **more: object) -> CreditGrant:
    return ledger.grant(who.workspace.id, source=source, amount=amount, reference=fresh("grant"), **more)  # type: ignore[arg-type]


def hold(who: world.Person, amount: int) -> CreditHold:
    return ledger.hold(who.workspace.id, amount=amount, reference=fresh("hold"))


def take_back(lot: CreditGrant) -> ledger.Revocation:
    return ledger.revoke(lot.id, reference=fresh("refund"), reason="a refund", actor="test")


def money(who: world.Person) -> tuple[int, int, int]:
    """Return what can be spent, what is held and what is owed."""
    balance = queries.balance(who.workspace.id)
    return balance.available, balance.held, balance.debt


def debt(who: world.Person) -> int:
    return CreditAccount.objects.get(workspace=who.workspace).debt


def buckets(lot: CreditGrant) -> tuple[int, int, int, int, int]:
    """Return what the grant's row says now: available, held, spent, expired, revoked."""
    lot.refresh_from_db()
    return lot.available, lot.held, lot.spent, lot.expired, lot.revoked


def movements(who: world.Person, skip: int = 0) -> list[tuple[str, int]]:
    """Return the kind and amount of the workspace's entries, oldest first, without the first `skip`."""
    rows = CreditEntry.objects.filter(workspace=who.workspace).order_by("id")
    return list(rows.values_list("kind", "amount"))[skip:]


def violations() -> list[Violation]:
    return [*proof.conservation(), *proof.never_negative(), *proof.holds_end_once()]


def check() -> None:
    """Assert that the books are right, also for the checks that wait for the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    assert violations() == []
