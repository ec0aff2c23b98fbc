"""Every guard of the tables of money and webhooks is attacked by name; one that nobody attacks fails the last tests here.

A forged row is a good row of this workspace with one thing wrong, so that only the guard in question can refuse it.
"""

import json
import uuid

import pytest
from django.db import IntegrityError, connection, transaction

from gesso.billing import fulfilment, reconciliation, registry, subscriptions
from gesso.webhooks import inbox
from tests import world
from tests.billing import shop
from tests.billing import till as fake

pytestmark = pytest.mark.django_db

CUSTOMER, ORDER, PLAN, CHANGE = "billing_customer", "billing_order", "billing_subscription", "billing_planchange"
PAYMENT, MISMATCH, ROUND, SALE = "billing_payment", "billing_mismatch", "billing_reconciliation", "billing_testsale"
EVENT = "webhooks_webhookevent"
NOW = "2026-03-02T10:00:00Z"

# What must be another than in the good row for a second one to be welcome.
FRESH: dict[str, dict[str, object]] = {
    CUSTOMER: {"id": 10**6, "external_id": "cus_2", "gateway": "creem"},
    ORDER: {"id": str(uuid.uuid4()), "checkout_id": "cs_2"},
    PLAN: {"id": 10**6, "external_id": "sub_2", "order_id": None, "state": "ended", "ended_at": NOW},
    CHANGE: {"id": 10**6},
    PAYMENT: {"id": 10**6, "external_id": "pay_2", "order_id": None, "grant_id": None},
    MISMATCH: {"id": 10**6, "code": "other"},
    ROUND: {"id": 10**6},
    SALE: {"id": "tc_2"},
    EVENT: {"id": 10**6, "external_id": "evt_2"},
}
CHECKS: dict[str, tuple[str, list[dict[str, object]]]] = {
    "billing_order_amount_check": (ORDER, [{"amount": -1}]),
    "billing_order_credits_check": (ORDER, [{"credits": -1}]),
    "order_ends_with_a_time": (ORDER, [{"state": "open", "ended_at": NOW}, {"state": "paid", "ended_at": None}]),
    "order_is_something": (ORDER, [{"amount": 0}, {"credits": 0}]),
    "order_says_what_it_is": (ORDER, [{"state": "gone"}, {"kind": "gift"}]),
    "billing_payment_amount_check": (PAYMENT, [{"amount": -1}]),
    "billing_payment_claimed_check": (PAYMENT, [{"claimed": -1, "taken_back": -1}]),
    "billing_payment_credits_check": (PAYMENT, [{"credits": -1}]),
    "billing_payment_moves_check": (PAYMENT, [{"moves": -1}]),
    "billing_payment_refunded_check": (PAYMENT, [{"refunded": -1}]),
    "billing_payment_taken_back_check": (PAYMENT, [{"taken_back": -1}]),
    "payment_brings_what_it_says": (PAYMENT, [{"grant_id": None}, {"credits": 0}]),
    "payment_of_a_change_has_it": (PAYMENT, [{"change_id": 1}]),
    "payment_of_a_plan_has_its_subscription": (PAYMENT, [{"subscription_id": 1}, {"reason": "renewal"}]),
    "payment_refund_within": (PAYMENT, [{"refunded": 801}]),
    "payment_taken_back_within": (PAYMENT, [{"claimed": 201}, {"claimed": 5, "taken_back": 6}]),
    "payment_says_what_it_is": (PAYMENT, [{"dispute": "odd"}, {"reason": "gift", "subscription_id": 1}]),
    "billing_planchange_amount_check": (CHANGE, [{"amount": -1}]),
    "billing_planchange_credits_check": (CHANGE, [{"credits": -1}]),
    "billing_planchange_from_amount_check": (CHANGE, [{"from_amount": -1}]),
    "billing_planchange_from_credits_check": (CHANGE, [{"from_credits": -1}]),
    "change_is_between_plans": (CHANGE, [{"amount": 0}, {"credits": 0}, {"from_amount": 0}, {"from_credits": 0}]),
    "billing_reconciliation_looked_at_check": (ROUND, [{"looked_at": -1}]),
    "billing_subscription_amount_check": (PLAN, [{"amount": -1}]),
    "billing_subscription_credits_check": (PLAN, [{"credits": -1}]),
    "billing_subscription_next_amount_check": (PLAN, [{"next_amount": -1}]),
    "billing_subscription_next_credits_check": (PLAN, [{"next_credits": -1}]),
    "subscription_ends_with_a_time": (PLAN, [{"ended_at": None}]),
    "subscription_next_is_whole": (
        PLAN,
        [
            {"next_plan": "team", "next_credits": 0, "next_amount": 0},
            {"next_plan": "", "next_credits": 1, "next_amount": 0},
            {"next_plan": "", "next_credits": 0, "next_amount": 1},
        ],
    ),
    "subscription_says_what_it_is": (PLAN, [{"state": "gone", "ended_at": None}]),
    "webhook_event_ends_once": (EVENT, [{"due_at": NOW, "handled_at": NOW}]),
    "webhooks_webhookevent_tries_check": (EVENT, [{"tries": -1}]),
}
UNIQUE = {
    (CUSTOMER, "gateway, live, external_id"), (CUSTOMER, "workspace_id, gateway, live"), (ORDER, "gateway, checkout_id"),
    (PLAN, "gateway, external_id"), (PLAN, "workspace_id"), (PLAN, "order_id"), (PAYMENT, "gateway, external_id"),
    (PAYMENT, "order_id"), (PAYMENT, "grant_id"), (PAYMENT, "change_id"), (MISMATCH, "gateway, subject, code"),
    (EVENT, "gateway, external_id"), *((table, "id") for table in FRESH),
}  # fmt: skip
# What else the forged row needs so that nothing but the index can refuse it.
BESIDE: dict[tuple[str, str], dict[str, object]] = {
    (PLAN, "workspace_id"): {"state": "active", "ended_at": None},
    (PAYMENT, "change_id"): {"reason": "change"},
}
REFERS = {
    (CUSTOMER, "workspace_id"), (ORDER, "workspace_id"), (ORDER, "member_id"), (PLAN, "workspace_id"),
    (PLAN, "order_id"), (CHANGE, "subscription_id"), (PAYMENT, "workspace_id"), (PAYMENT, "order_id"),
    (PAYMENT, "subscription_id"), (PAYMENT, "grant_id"), (PAYMENT, "change_id"),
}  # fmt: skip
AGREED = {
    ORDER: "id workspace_id gateway live kind item name credits amount currency created_at",
    PLAN: "id workspace_id order_id gateway external_id currency created_at",
    CHANGE: "id subscription_id plan name credits amount from_name from_credits from_amount created_at",
    PAYMENT: "id workspace_id order_id subscription_id gateway live external_id reason name credits amount currency"
    " method grant_id change_id paid_at period_end created_at",
}  # fmt: skip
MAY_CHANGE = {
    ORDER: {"member_id", "state", "checkout_id", "checkout_url", "ended_at"},
    PLAN: {
        "plan", "name", "credits", "amount", "next_plan", "next_name", "next_credits", "next_amount", "state",
        "period_end", "cancels_at_period_end", "ended_at", "changed_at",
    },
    CHANGE: set(),
    PAYMENT: {"refunded", "claimed", "taken_back", "moves", "dispute", "changed_at"},
}  # fmt: skip
KEPT = (ORDER, PLAN, PAYMENT)


@pytest.fixture(autouse=True)
def rows(monkeypatch) -> dict[str, str]:
    """Have a row of each table; returns which is the good one."""
    till = fake.Till()
    monkeypatch.setattr(registry, "configured", lambda: {till.name: till})
    who = world.person()
    pack, spare, plan, other = (shop.order(who, kind) for kind in ("pack", "pack", "plan", "plan"))
    fulfilment.apply("stripe", [shop.paid(pack, customer="cus_1"), shop.paid(plan), shop.standing(plan)])
    fulfilment.apply("stripe", [shop.paid(pack, id="pay_twice")])
    subscriptions.change(who.workspace, "team")
    change = {"id": "pay_up", "reason": "change", "item": "team", "amount": 1400}
    fulfilment.apply("stripe", [shop.paid(plan, **change)])
    subscriptions.change(who.workspace, "studio")
    reconciliation.run(till)
    body = fake.event("evt_1")
    inbox.receive(till, body, {"x-signature": fake.sign(body)})
    run(f"INSERT INTO {SALE} (id, data, changed_at) VALUES ('tc_1', '{{}}', now())")
    spare_grant = world.ledger.grant(who.workspace.id, source="pack", amount=200, reference="spare")
    monkeypatch.setitem(FRESH[PAYMENT], "order_id", str(spare.id))
    monkeypatch.setitem(FRESH[PAYMENT], "grant_id", spare_grant.id)
    monkeypatch.setitem(FRESH[PLAN], "order_id", str(other.id))
    return {PAYMENT: "reason = 'pack'", ORDER: f"id = '{pack.id}'", CHANGE: "plan = 'team'"}


def run(statement: str, values: object = None) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def forge(table: str, good: str, **wrong: object) -> None:
    """Insert the good row again, with what is fresh and what is wrong."""
    told = json.dumps(FRESH[table] | wrong)
    run(
        f"INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(good) || %s::jsonb)).*"
        f" FROM {table} AS good WHERE {good}",
        [told],
    )


def refused(error: pytest.ExceptionInfo[IntegrityError]):
    """Return what Postgres itself said."""
    return error.value.__cause__.diag  # type: ignore[union-attr]


def existing(table: str, column: str, good: str) -> object:
    rows = run(f"SELECT to_jsonb({column}) FROM {table} WHERE ({good}) AND {column} IS NOT NULL LIMIT 1")
    rows = rows or run(f"SELECT to_jsonb({column}) FROM {table} WHERE {column} IS NOT NULL LIMIT 1")
    return json.loads(rows[0][0])


@pytest.mark.parametrize("table", FRESH)
def test_a_good_row_would_be_welcome(table, rows):
    forge(table, rows.get(table, "true"))


@pytest.mark.parametrize("table", sorted({table for table, _ in CHECKS.values()}))
def test_a_check_refuses(table, rows):
    for name, (of, forgeries) in CHECKS.items():
        for wrong in forgeries if of == table else ():
            with pytest.raises(IntegrityError) as error, transaction.atomic():
                forge(table, rows.get(table, "true"), **wrong)
            assert refused(error).constraint_name == name, wrong


@pytest.mark.parametrize(("table", "columns"), sorted(UNIQUE))
def test_what_is_unique_stays_so(table, columns, rows):
    good = rows.get(table, "true")
    same = {column: existing(table, column, good) for column in columns.split(", ")}
    with pytest.raises(IntegrityError, match="duplicate key") as error, transaction.atomic():
        if columns == "change_id":
            plan = existing(PLAN, "id", "true")
            forge(table, good, **same, **BESIDE[table, columns], subscription_id=plan)
        else:
            forge(table, good, **same, **BESIDE.get((table, columns), {}))
    assert f"Key ({columns})=" in refused(error).message_detail


@pytest.mark.parametrize(("table", "column"), sorted(REFERS))
def test_nothing_refers_to_nothing(table, column, rows):
    missing = str(uuid.uuid4()) if column in {"workspace_id", "order_id"} else 10**9
    beside = {"subscription_id": {"reason": "renewal"}, "change_id": {"reason": "change"}}.get(column, {})
    if table == PAYMENT and column == "change_id":
        beside = beside | {"subscription_id": existing(PLAN, "id", "true")}
    if table != PAYMENT:
        beside = {}
    (name,) = (name for name, kind, of, columns in constraints() if (kind, of, columns) == ("f", table, column))
    with pytest.raises(IntegrityError, match="is not present in table") as error, transaction.atomic():
        forge(table, rows.get(table, "true"), **{column: missing}, **beside)
        run(f"SET CONSTRAINTS {name} IMMEDIATE")
    assert refused(error).constraint_name == name


OTHER = {
    "uuid": "gen_random_uuid()", "boolean": "NOT {0}", "timestamp with time zone": "now() - interval '9 days'",
    "character varying": "'odd'",
}  # fmt: skip


@pytest.mark.parametrize("table", AGREED)
def test_what_was_agreed_is_never_changed(table, rows):
    found = run("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", [table])
    kinds = dict(found)
    for column in AGREED[table].split():
        value = OTHER.get(kinds[column], "coalesce({0}, 0) + 1").format(column)
        with pytest.raises(IntegrityError, match=f"what was agreed in {table} stays as it is"), transaction.atomic():
            run(f"UPDATE {table} SET {column} = {value} WHERE {rows.get(table, 'true')}")


@pytest.mark.parametrize("table", AGREED)
def test_every_column_is_either_agreed_or_may_change(table):
    found = {
        name for (name,) in run("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
    }
    assert set(AGREED[table].split()) | MAY_CHANGE[table] == found
    assert not set(AGREED[table].split()) & MAY_CHANGE[table]
    for column in MAY_CHANGE[table]:
        run(f"UPDATE {table} SET {column} = {column}")


@pytest.mark.parametrize("table", KEPT)
def test_what_has_to_do_with_money_is_never_deleted(table):
    run("SET CONSTRAINTS ALL IMMEDIATE")
    for attack in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(IntegrityError, match="stays as it is"), transaction.atomic():
            run(attack)


def constraints() -> list[tuple[str, str, str, str]]:
    """Return name, kind, table and columns of the constraints that Postgres keeps on these tables."""
    return run(
        """
        SELECT guard.conname, guard.contype::text, guard.conrelid::regclass::text, (
            SELECT string_agg(attname, ', ' ORDER BY array_position(guard.conkey, attnum)) FROM pg_attribute
            WHERE attrelid = guard.conrelid AND attnum = ANY (guard.conkey))
        FROM pg_constraint AS guard WHERE guard.conrelid::regclass::text = ANY (%s)
        """,
        [tables()],
    )


def tables() -> list[str]:
    rows = run("SELECT tablename FROM pg_tables WHERE tablename LIKE 'billing%' OR tablename LIKE 'webhooks%'")
    return [name for (name,) in rows]


def test_every_table_and_constraint_has_an_attack():
    assert set(tables()) == set(FRESH)
    found = constraints()
    assert {name for name, kind, *_ in found if kind == "c"} == set(CHECKS)
    assert {(table, columns) for _, kind, table, columns in found if kind == "f"} == REFERS
    assert {kind for _, kind, *_ in found} <= {"c", "f", "n", "p", "u"}


def test_every_unique_index_has_an_attack():
    found = run(
        """
        SELECT rows.indrelid::regclass::text, (
            SELECT string_agg(pg_get_indexdef(rows.indexrelid, place, false), ', ' ORDER BY place)
            FROM generate_series(1, rows.indnkeyatts) AS place)
        FROM pg_index AS rows WHERE rows.indisunique AND rows.indrelid::regclass::text = ANY (%s)
        """,
        [tables()],
    )
    assert set(found) == UNIQUE


def test_every_trigger_has_an_attack():
    found = run(
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O' AND tgrelid::regclass::text = ANY (%s)",
        [tables()],
    )
    wanted = {f"{table}_agreed" for table in AGREED} | {f"{table}_{end}" for table in KEPT for end in ("kept", "whole")}
    assert {name for (name,) in found} == wanted
