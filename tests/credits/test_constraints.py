"""Every guard of the ledger's tables is attacked by name; one that nobody attacks fails the last tests here.

A forged row is a good row with one thing wrong, so that only the guard in question can refuse it.
"""

import datetime
import itertools

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from gesso.credits import books, ledger
from gesso.credits.models import CreditEntry, CreditGrant, CreditHold, HoldPart
from tests import world
from tests.credits.books import give, hold

pytestmark = pytest.mark.django_db

ACCOUNT, GRANT, HOLD = "credits_creditaccount", "credits_creditgrant", "credits_credithold"
PART, ENTRY = "credits_holdpart", "credits_creditentry"
LEDGER = [ACCOUNT, GRANT, HOLD, PART, ENTRY]  # codes and free use: test_code_constraints
NOW = datetime.datetime(2026, 3, 2, 10, tzinfo=datetime.UTC)
CLOSED = {"state": "closed", "closed_at": NOW}

CHECKS: dict[str, tuple[str, list[dict[str, object]]]] = {
    "credits_creditaccount_debt_check": (ACCOUNT, [{"debt": -1}]),
    "credits_creditgrant_amount_check": (GRANT, [{"amount": -1, "available": -1}]),
    "credits_creditgrant_available_check": (GRANT, [{"available": -1, "held": 6}]),
    "credits_creditgrant_held_check": (GRANT, [{"held": -1, "available": 6}]),
    "credits_creditgrant_spent_check": (GRANT, [{"spent": -1, "available": 6}]),
    "credits_creditgrant_expired_check": (GRANT, [{"expired": -1, "available": 6}]),
    "credits_creditgrant_revoked_check": (GRANT, [{"revoked": -1, "available": 6}]),
    "credits_creditgrant_priority_check": (GRANT, [{"priority": -1}]),
    "grant_is_a_closed_vessel": (
        GRANT,
        [{"amount": 6}, *({bucket: 6} for bucket in ("available", "held", "spent", "expired", "revoked"))],
    ),
    "grant_is_something": (GRANT, [{"amount": 0, "available": 0}]),
    "credits_credithold_amount_check": (HOLD, [{"amount": -1}]),
    "credits_credithold_captured_check": (HOLD, [{"captured": -1, "released": 6, **CLOSED}]),
    "credits_credithold_released_check": (HOLD, [{"captured": 6, "released": -1, **CLOSED}]),
    "hold_is_something": (HOLD, [{"amount": 0}]),
    "hold_ends_exactly": (
        HOLD,
        [
            {"captured": 3, "released": 3, **CLOSED},
            {"captured": 3, "released": 1, **CLOSED},
            CLOSED,
            {"captured": 3, "released": 2},
            {"captured": 5},
            {"released": 5},
            {"closed_at": NOW},
            {"captured": 3, "released": 2, "state": "closed"},
            {"state": "gone"},
        ],
    ),
    "credits_holdpart_amount_check": (PART, [{"amount": -1}]),
    "credits_holdpart_captured_check": (PART, [{"captured": -1, "released": 6}]),
    "credits_holdpart_released_check": (PART, [{"captured": 6, "released": -1}]),
    "credits_holdpart_returned_check": (PART, [{"returned": -1}]),
    "hold_part_is_something": (PART, [{"amount": 0}]),
    "hold_part_ends_exactly": (PART, [{"captured": 3, "released": 3}, {"captured": 3}, {"released": 6}]),
    "hold_part_returns_what_it_took": (PART, [{"returned": 1}, {"captured": 3, "released": 2, "returned": 4}]),
    "credits_creditentry_amount_check": (ENTRY, [{"amount": -1}]),
    "credits_creditentry_balance_after_check": (ENTRY, [{"balance_after": -1}]),
    "entry_moves_something": (ENTRY, [{"amount": 0}]),
    "entry_kind_names_its_buckets": (
        ENTRY,
        [
            {"kind": kind, "from_bucket": origin, "to_bucket": target}
            for kind, origin, target in itertools.product(
                [*CreditEntry.Kind, "gift"], CreditEntry.Bucket, CreditEntry.Bucket
            )
            if books.BUCKETS.get(kind) != (origin, target)
        ],
    ),
}
UNIQUE = {(GRANT, "reference"), (HOLD, "reference"), (PART, "hold_id, grant_id")} | {
    (ACCOUNT, "workspace_id"), *((table, "id") for table in (GRANT, HOLD, PART, ENTRY))
}  # fmt: skip
REFERS = {
    (ACCOUNT, "workspace_id"), (GRANT, "workspace_id"), (HOLD, "workspace_id"), (PART, "hold_id"), (PART, "grant_id"),
    (ENTRY, "workspace_id"), (ENTRY, "grant_id"), (ENTRY, "hold_id"),
}  # fmt: skip
TRIGGERS = {"credits_entries", "credits_entries_whole", "credits_hold"}


@pytest.fixture(autouse=True)
def good_rows() -> dict[str, dict[str, object]]:
    """Return for each table a row that would be welcome; beside them a closed hold of 8 and an open one of 2."""
    who, other = world.person(), world.person()
    give(who, 6)
    second = give(who, 6, "pack")
    closed, opened = hold(who, 8), hold(who, 2)
    ledger.settle(closed.id, captured=5)
    rest = {"actor": "", "reason": ""}
    return {
        ACCOUNT: {"workspace_id": other.workspace.id, "debt": 0},
        GRANT: {
            "id": 10**6, "workspace_id": who.workspace.id, "source": "staff", "amount": 5, "available": 5, "held": 0,
            "spent": 0, "expired": 0, "revoked": 0, "priority": 25, "expires_at": None, "reference": "forged",
            "created_at": NOW,
        },
        HOLD: {
            "id": 10**6, "workspace_id": who.workspace.id, "amount": 5, "captured": 0, "released": 0, "state": "open",
            "reference": "forged", "created_at": NOW, "closed_at": None,
        },
        PART: {
            "id": 10**6, "hold_id": opened.id, "grant_id": give(who, 1).id, "amount": 5, "captured": 0, "released": 0,
            "returned": 0,
        },
        ENTRY: {
            "id": 10**6, "workspace_id": who.workspace.id, "grant_id": second.id, "hold_id": None, "kind": "grant",
            "from_bucket": "issued", "to_bucket": "available", "amount": 5, "balance_after": 5, "reference": "forged",
            "at": NOW, **rest,
        },
    }  # fmt: skip


def run(*statements: str, values: object = ()) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def insert(table: str, row: dict[str, object]) -> None:
    run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", values=list(row.values()))


def existing(table: str, columns: str) -> dict[str, object]:
    row = run(f"SELECT {columns} FROM {table} ORDER BY 1 LIMIT 1")[0]
    return dict(zip(columns.split(", "), row, strict=True))


def settled_now() -> None:
    """Let what waits for the commit be checked now."""
    run("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED")


def refused(error: pytest.ExceptionInfo[IntegrityError]):
    """Return what Postgres itself said."""
    return error.value.__cause__.diag  # type: ignore[union-attr]


@pytest.mark.parametrize("table", [ACCOUNT, GRANT, HOLD, PART, ENTRY])
def test_a_good_row_would_be_welcome(table: str, good_rows: dict[str, dict[str, object]]) -> None:
    before = len(run(f"SELECT 1 FROM {table}"))
    with transaction.atomic():
        insert(table, good_rows[table])
        assert len(run(f"SELECT 1 FROM {table}")) == before + 1
        transaction.set_rollback(True)  # a hold still lacks its parts


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_refuses(name: str, good_rows: dict[str, dict[str, object]]) -> None:
    table, forgeries = CHECKS[name]
    for wrong in forgeries:
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            insert(table, {**good_rows[table], **wrong})
        assert refused(error).constraint_name == name, wrong


@pytest.mark.parametrize(("table", "columns"), sorted(UNIQUE))
def test_what_is_unique_stays_so(table: str, columns: str, good_rows: dict[str, dict[str, object]]) -> None:
    with pytest.raises(IntegrityError, match="duplicate key") as error, transaction.atomic():
        insert(table, {**good_rows[table], **existing(table, columns)})
    assert f"Key ({columns})=" in refused(error).message_detail


@pytest.mark.parametrize(("table", "column"), sorted(REFERS))
def test_nothing_refers_to_nothing(table: str, column: str, good_rows: dict[str, dict[str, object]]) -> None:
    missing = "00000000-0000-0000-0000-000000000000" if column == "workspace_id" else 10**9
    (name,) = (name for name, kind, of, columns in constraints() if (kind, of, columns) == ("f", table, column))
    with pytest.raises(IntegrityError, match="is not present in table") as error, transaction.atomic():
        insert(table, {**good_rows[table], column: missing})
        run(f"SET CONSTRAINTS {name} IMMEDIATE")
    assert refused(error).constraint_name == name


@pytest.mark.parametrize("table", [ACCOUNT, GRANT, HOLD, PART, ENTRY])
def test_what_must_be_said_is_said(table: str, good_rows: dict[str, dict[str, object]]) -> None:
    columns = [columns for _, kind, of, columns in constraints() if (kind, of) == ("n", table)]
    assert set(good_rows[table]) - set(columns) <= {"expires_at", "closed_at", "hold_id"}
    for column in columns:
        with pytest.raises(IntegrityError, match="null value") as error, transaction.atomic():
            insert(table, {**good_rows[table], column: None})
        assert refused(error).column_name == column


@pytest.mark.parametrize("change", [
    f"UPDATE {ENTRY} SET amount = amount + 1",
    f"UPDATE {ENTRY} SET reason = reason",
    f"DELETE FROM {ENTRY} WHERE id = (SELECT max(id) FROM {ENTRY})",
    f"TRUNCATE {ENTRY}",
    f"TRUNCATE {ENTRY}, {PART}, {HOLD}, {GRANT} CASCADE",
    f"TRUNCATE {GRANT} CASCADE",
    "TRUNCATE accounts_workspace CASCADE",
])  # fmt: skip
def test_entries_are_append_only(change: str) -> None:
    settled_now()
    with pytest.raises(IntegrityError, match="entries of the ledger are append-only"), transaction.atomic():
        run(change)


def test_entries_are_append_only_through_the_models_too() -> None:
    for change in (lambda: CreditEntry.objects.update(amount=F("amount") + 1), CreditEntry.objects.all().delete):
        with pytest.raises(IntegrityError, match="entries of the ledger are append-only"), transaction.atomic():
            change()


@pytest.mark.parametrize("change", [
    {"captured": 4, "released": 4},
    {"captured": 0, "released": 0, "state": "open", "closed_at": None},
    {"closed_at": NOW},
    {"reference": "another"},
])  # fmt: skip
def test_a_hold_that_ended_stays_as_it_is(change: dict[str, object]) -> None:
    settled_now()
    with pytest.raises(IntegrityError, match="has ended and stays as it is"), transaction.atomic():
        assert CreditHold.objects.filter(state="closed").update(**change) == 1
        settled_now()


def test_a_hold_is_what_its_parts_are(good_rows: dict[str, dict[str, object]]) -> None:
    opened = CreditHold.objects.filter(state="open")
    attacks = [
        lambda: insert(HOLD, good_rows[HOLD]),
        lambda: opened.update(amount=3),
        lambda: opened.update(state="closed", captured=2, closed_at=NOW),
        lambda: opened.update(state="closed", released=2, closed_at=NOW),
    ]
    settled_now()
    for attack in attacks:
        with pytest.raises(IntegrityError, match="its parts are not"), transaction.atomic():
            attack()
            settled_now()


@pytest.mark.parametrize("table", [GRANT, HOLD, "accounts_workspace"])
def test_what_has_a_history_is_not_deleted(table: str) -> None:
    with pytest.raises(IntegrityError, match="violates foreign key"), transaction.atomic():
        run(f"DELETE FROM {table}")
        settled_now()


def test_two_parts_of_one_grant_are_not_made_by_the_model_either() -> None:
    part = HoldPart.objects.first()
    assert part
    with pytest.raises(IntegrityError, match="hold_part_once"), transaction.atomic():
        HoldPart.objects.create(hold=part.hold, grant=part.grant, amount=1)
    assert CreditGrant.objects.filter(parts=part).exists()


def constraints() -> list[tuple[str, str, str, str]]:
    """Return name, kind, table and columns of the constraints that Postgres keeps on the ledger's tables."""
    return run(  # type: ignore[return-value]
        """
        SELECT guard.conname, guard.contype::text, guard.conrelid::regclass::text, (
            SELECT string_agg(attname, ', ' ORDER BY array_position(guard.conkey, attnum)) FROM pg_attribute
            WHERE attrelid = guard.conrelid AND attnum = ANY (guard.conkey))
        FROM pg_constraint AS guard WHERE guard.conrelid::regclass::text = ANY(%s) ORDER BY 3, 2, 1
        """,
        values=[LEDGER],
    )


def test_every_constraint_has_an_attack() -> None:
    found = constraints()
    assert {kind for _, kind, *_ in found} == {"c", "f", "n", "p", "t", "u"}
    assert {name for name, kind, *_ in found if kind == "c"} == set(CHECKS)
    assert {(table, columns) for _, kind, table, columns in found if kind == "f"} == REFERS
    assert {name for name, kind, *_ in found if kind == "t"} <= TRIGGERS
    assert {(table, columns) for _, kind, table, columns in found if kind in "pu"} <= UNIQUE


def test_every_unique_index_has_an_attack() -> None:
    found = run(
        """
        SELECT rows.indrelid::regclass::text, (
            SELECT string_agg(pg_get_indexdef(rows.indexrelid, place, false), ', ' ORDER BY place)
            FROM generate_series(1, rows.indnkeyatts) AS place)
        FROM pg_index AS rows WHERE rows.indisunique AND rows.indrelid::regclass::text = ANY(%s)
        """,
        values=[LEDGER],
    )
    assert set(found) == UNIQUE


def test_every_trigger_has_an_attack() -> None:
    found = run(
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'credits%%'"
        " AND tgenabled = 'O'"
    )
    assert {name for (name,) in found} == TRIGGERS | {"credits_announced"}  # which refuses nothing: it says
