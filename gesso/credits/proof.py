"""The books, proved: whether entries, grants, holds and debt say the same. Each function returns what doesn't."""

from decimal import Decimal

from django.db import connection

from gesso.core.violations import Violation

_GRANTS = """
WITH moved AS (
    SELECT grant_id, bucket, sum(amount) AS amount FROM (
        SELECT grant_id, to_bucket AS bucket, amount FROM credits_creditentry WHERE kind <> 'debt'
        UNION ALL SELECT grant_id, from_bucket, -amount FROM credits_creditentry WHERE kind <> 'debt'
    ) AS move GROUP BY grant_id, bucket
), told AS (
    SELECT lot.id, bucket.name, bucket.amount FROM credits_creditgrant AS lot CROSS JOIN LATERAL (VALUES
        ('issued', -lot.amount), ('available', lot.available), ('held', lot.held), ('spent', lot.spent),
        ('expired', lot.expired), ('revoked', lot.revoked)
    ) AS bucket (name, amount)
)
SELECT told.id, told.name, told.amount, coalesce(moved.amount, 0) FROM told
LEFT JOIN moved ON moved.grant_id = told.id AND moved.bucket = told.name
WHERE told.amount <> coalesce(moved.amount, 0)
"""
_WALLETS = """
WITH last AS (
    SELECT DISTINCT ON (workspace_id) workspace_id, balance_after FROM credits_creditentry
    ORDER BY workspace_id, id DESC
)
SELECT last.workspace_id, last.balance_after, coalesce(sum(lot.available), 0) FROM last
LEFT JOIN credits_creditgrant AS lot ON lot.workspace_id = last.workspace_id
GROUP BY last.workspace_id, last.balance_after HAVING last.balance_after <> coalesce(sum(lot.available), 0)
"""
_OWNERS = """
SELECT entry.id, entry.workspace_id FROM credits_creditentry AS entry
JOIN credits_creditgrant AS lot ON lot.id = entry.grant_id
LEFT JOIN credits_credithold AS hold ON hold.id = entry.hold_id
WHERE entry.workspace_id <> lot.workspace_id OR entry.workspace_id <> hold.workspace_id
"""
_RUNNING = """
SELECT id, balance_after, expected FROM (
    SELECT id, balance_after, sum(
        amount * ((to_bucket = 'available')::int - (from_bucket = 'available')::int)
    ) OVER (PARTITION BY workspace_id ORDER BY id) AS expected FROM credits_creditentry
) AS line WHERE balance_after <> expected
"""
_DEBT = """
SELECT account.workspace_id, account.debt, coalesce(sum(
    CASE entry.kind WHEN 'debt' THEN entry.amount WHEN 'repay' THEN -entry.amount ELSE 0 END), 0)
FROM credits_creditaccount AS account
LEFT JOIN credits_creditentry AS entry ON entry.workspace_id = account.workspace_id
GROUP BY account.workspace_id, account.debt
HAVING account.debt <> coalesce(sum(
    CASE entry.kind WHEN 'debt' THEN entry.amount WHEN 'repay' THEN -entry.amount ELSE 0 END), 0)
"""
_NEGATIVE = """
SELECT id, available, held, spent, expired, revoked FROM credits_creditgrant
WHERE least(available, held, spent, expired, revoked) < 0 OR available + held + spent + expired + revoked <> amount
"""
_HOLDS = """
SELECT hold.id, hold.reference, hold.state, hold.amount, hold.captured, hold.released,
       coalesce(sum(part.amount), 0), coalesce(sum(part.captured), 0), coalesce(sum(part.released), 0)
FROM credits_credithold AS hold LEFT JOIN credits_holdpart AS part ON part.hold_id = hold.id
GROUP BY hold.id
HAVING hold.amount <> coalesce(sum(part.amount), 0) OR hold.captured <> coalesce(sum(part.captured), 0)
    OR hold.released <> coalesce(sum(part.released), 0)
    OR hold.state = 'closed' AND hold.captured + hold.released <> hold.amount
    OR hold.state = 'open' AND hold.captured + hold.released <> 0
"""
_PARTS = """
WITH moved AS (
    SELECT hold_id, grant_id, coalesce(sum(amount) FILTER (WHERE kind = 'hold'), 0) AS held,
           coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0) AS captured,
           coalesce(sum(amount) FILTER (WHERE kind = 'release'), 0) AS released,
           coalesce(sum(amount) FILTER (WHERE kind = 'return'), 0) AS returned
    FROM credits_creditentry WHERE kind IN ('hold', 'capture', 'release', 'return') GROUP BY hold_id, grant_id
)
SELECT hold_id, grant_id, part.amount, part.captured, part.released, part.returned,
       moved.held, moved.captured, moved.released, moved.returned
FROM credits_holdpart AS part FULL JOIN moved USING (hold_id, grant_id)
WHERE (part.amount, part.captured, part.released, part.returned)
    IS DISTINCT FROM (moved.held, moved.captured, moved.released, moved.returned)
"""
_HELD = """
SELECT lot.id, lot.held, coalesce(sum(part.amount) FILTER (WHERE hold.state = 'open'), 0)
FROM credits_creditgrant AS lot LEFT JOIN credits_holdpart AS part ON part.grant_id = lot.id
LEFT JOIN credits_credithold AS hold ON hold.id = part.hold_id
GROUP BY lot.id HAVING lot.held <> coalesce(sum(part.amount) FILTER (WHERE hold.state = 'open'), 0)
"""


def conservation() -> list[Violation]:
    """I-1: entries add up to every grant's buckets, to each running balance, to the wallet and to the debt."""
    return [
        *(Violation("I-1", f"grant {r[0]}", f"{r[1]} is {r[2]}, its entries say {r[3]}.") for r in _rows(_GRANTS)),
        *(Violation("I-1", f"entry {r[0]}", f"balance_after is {r[1]}, should be {r[2]}.") for r in _rows(_RUNNING)),
        *(
            Violation("I-1", f"workspace {r[0]}", f"statement ends with {r[1]}, wallet has {r[2]}.")
            for r in _rows(_WALLETS)
        ),
        *(Violation("I-1", f"workspace {r[0]}", f"owes {r[1]}, entries say {r[2]}.") for r in _rows(_DEBT)),
        *(
            Violation("I-1", f"entry {r[0]}", f"is of workspace {r[1]}, its grant or hold is not.")
            for r in _rows(_OWNERS)
        ),
    ]


def never_negative() -> list[Violation]:
    """I-2: no bucket below nothing, every grant a closed vessel."""
    return [Violation("I-2", f"grant {r[0]}", f"its buckets are {r[1:]}.") for r in _rows(_NEGATIVE)]


def holds_end_once() -> list[Violation]:
    """I-3: each hold, its parts, its entries and what its grants hold say the same, and a closed one adds up."""
    return [
        *(
            Violation("I-3", f"hold {r[1]}", f"it is {r[2]} with {r[3:6]}, its parts say {r[6:]}.")
            for r in _rows(_HOLDS)
        ),
        *(
            Violation("I-3", f"hold number {r[0]}", f"its part of grant {r[1]} is {r[2:6]}, entries say {r[6:]}.")
            for r in _rows(_PARTS)
        ),
        *(Violation("I-3", f"grant {r[0]}", f"holds {r[1]}, its open holds say {r[2]}.") for r in _rows(_HELD)),
    ]


def _rows(query: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    # Postgres adds whole numbers up to numerics; in a sentence they are whole numbers again.
    return [tuple(int(value) if isinstance(value, Decimal) else value for value in row) for row in rows]
