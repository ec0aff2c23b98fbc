"""Every guard of the tables of free credits and codes is attacked by name; one that nobody attacks fails the last test."""

import datetime

import pytest
from django.db import IntegrityError, connection, transaction

from gesso.core import ids
from gesso.credits import ledger
from tests import world

pytestmark = pytest.mark.django_db

PLACE, CODE = "credits_dailyplace", "credits_promocode"
USE, GUESS = "credits_promouse", "credits_codeguess"
NOW = datetime.datetime(2026, 3, 2, 10, tzinfo=datetime.UTC)

# The name of a guard -> its table and what is wrong with an otherwise good row. UNIQUE ones: what it shares with another.
CHECKS = {
    "credits_dailyplace_place_check": (PLACE, {"place": -1}),
    "daily_place_is_of_a_network": (PLACE, {"network": None}),
    "credits_promocode_credits_check": (CODE, {"credits": -1, "kind": "invite"}),
    "credits_promocode_uses_most_check": (CODE, {"uses_most": -1}),
    "credits_promocode_uses_check": (CODE, {"uses": -1}),
    "credits_promocode_credits_days_check": (CODE, {"credits_days": -1}),
    "code_has_a_use": (CODE, {"uses_most": 0}),
    "code_is_not_used_up_twice": (CODE, {"uses": 3}),
    "code_is_for_something": (CODE, {"credits": 0}),
    "code_credits_last": (CODE, {"credits_days": 0}),
    "code_grants_when_counted": (USE, {"state": "reserved"}),
}
# Django's own guard of what is never negative, where ours is stricter and speaks first.
SPOKEN_FOR = {
    "credits_promocode_uses_most_check": "code_has_a_use",
    "credits_promocode_credits_days_check": "code_credits_last",
}
ONCE = {
    "daily_once_for_each_workspace": (PLACE, ("day", "workspace_id")),
    "daily_once_for_each_mailbox": (PLACE, ("day", "mailbox")),
    "daily_place_is_taken_once": (PLACE, ("day", "network", "place")),
    "code_once_for_each_workspace": (USE, ("code_id", "workspace_id")),
    "code_once_for_each_person": (USE, ("code_id", "user_id")),
    "digest": (CODE, ("digest",)),
    "grant_id": (USE, ("grant_id",)),
}


def good(who: world.Person, table: str, **links) -> dict[str, object]:
    """Return a row that is welcome and shares nothing with another."""
    number = ids.uuid7()
    return {
        PLACE: {
            "workspace_id": who.workspace.id, "day": NOW.date(), "mailbox": number.bytes, "network": number.bytes,
            "place": 1,
        },
        CODE: {
            "id": number, "kind": "promo", "digest": number.bytes, "shown": "SPRING-25", "credits": 5, "uses_most": 2,
            "uses": 0, "expires_at": None, "credits_days": 30, "for_new_only": False, "note": "", "made_by_id": None,
            "created_at": NOW, "ended_at": None,
        },
        USE: {
            "workspace_id": who.workspace.id, "user_id": who.user.id, "state": "counted", "at": NOW, "code_id": None,
            "grant_id": None,
        },
    }[table] | links  # fmt: skip


def insert(table: str, row: dict[str, object]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", [*row.values()]
        )


def grant_of(who: world.Person) -> int:
    return ledger.grant(who.workspace.id, source="promo", amount=5, reference=f"test:{ids.uuid7()}").id


def row(table: str) -> dict[str, object]:
    """Return a good row with what it refers to in place."""
    who = world.person()
    if table != USE:
        return good(who, table)
    code = good(who, CODE)
    insert(CODE, code)
    return good(who, USE, code_id=code["id"], grant_id=grant_of(who))


@pytest.mark.parametrize("table", [PLACE, CODE, USE])
def test_a_good_row_is_welcome(table):
    insert(table, row(table))


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_refuses(name):
    table, wrong = CHECKS[name]
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        insert(table, row(table) | wrong)
    assert error.value.__cause__.diag.constraint_name == SPOKEN_FOR.get(name, name)


@pytest.mark.parametrize("name", ONCE)
def test_what_is_unique_stays_so(name):
    table, shared = ONCE[name]
    first, second = row(table), row(table)
    insert(table, first)
    with pytest.raises(IntegrityError, match="duplicate key") as error, transaction.atomic():
        insert(table, second | {column: first[column] for column in shared})
    assert name in (found := error.value.__cause__.diag).constraint_name or f"({name})" in found.message_detail


def test_every_guard_has_an_attack():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid::regclass::text = ANY(%s)",
            [[PLACE, CODE, USE, GUESS]],
        )
        assert {name for (name,) in cursor.fetchall()} == set(CHECKS)
        cursor.execute(
            """
            SELECT rows.indrelid::regclass::text, (
                SELECT string_agg(pg_get_indexdef(rows.indexrelid, place, false), ', ' ORDER BY place)
                FROM generate_series(1, rows.indnkeyatts) AS place)
            FROM pg_index AS rows WHERE rows.indisunique AND NOT rows.indisprimary
            AND rows.indrelid::regclass::text = ANY(%s)
            """,
            [[PLACE, CODE, USE, GUESS]],
        )
        assert set(cursor.fetchall()) == {(table, ", ".join(shared)) for table, shared in ONCE.values()}
