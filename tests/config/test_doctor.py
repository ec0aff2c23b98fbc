"""`gesso doctor`: a sound install has nothing to show; each invariant, broken on purpose, is found and no other is blamed."""

import concurrent.futures
import datetime
import json
import os
import re
import sys
import time
import types
import uuid

import httpx2
import pytest
from django.db import connection

from gesso.config import doctor
from gesso.generations import recovery
from gesso.generations.models import Generation
from gesso.images import storage
from tests import instance, world

pytestmark = pytest.mark.django_db(transaction=True)

PROMISED = ["I-1", "I-2", "I-3", "I-4", "I-5", "I-6", "I-7", "I-9", "I-10", "I-12", "I-13", "I-15", "I-17"]
AVAILABLE = "credits_creditgrant_available_check"


@pytest.fixture
def store(place_for_data, monkeypatch):
    """The storage of this test alone."""
    made = storage.Directory(place_for_data / "images")
    monkeypatch.setattr(storage, "current", lambda: made)
    return made


@pytest.fixture
def made(store) -> Generation:
    """A generation that ended, in a workspace with one that is queued and one that runs no more."""
    who = world.person(credits=60)
    world.submit(who)
    world.drive(world.submit(who), world.ScriptedProvider(b"not a picture", b"nor this"))
    return world.drive(world.submit(who, count=2), world.ScriptedProvider())


def sql(*statements: str) -> None:
    with world.without_guards(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def overdraw(made: Generation) -> None:
    """Spend 100 of a grant of 60, on the books in every place: only that it can't be is wrong."""
    workspace = made.workspace_id
    sql(
        f"ALTER TABLE credits_creditgrant DROP CONSTRAINT {AVAILABLE}",
        f"""INSERT INTO credits_creditgrant (workspace_id, source, amount, available, held, spent, expired, revoked,
                priority, reference, created_at)
            VALUES ('{workspace}', 'staff', 500, 500, 0, 0, 0, 0, 25, 'second', now())""",
        f"""INSERT INTO credits_creditentry (workspace_id, grant_id, kind, from_bucket, to_bucket, amount, balance_after,
                reference, actor, reason, at)
            SELECT '{workspace}', id, 'grant', 'issued', 'available', 500, 500 + (SELECT available FROM
                credits_creditgrant WHERE reference <> 'second'), '', '', '', now()
            FROM credits_creditgrant WHERE reference = 'second'""",
        f"""INSERT INTO credits_credithold (workspace_id, amount, captured, released, state, reference, created_at, closed_at)
            VALUES ('{workspace}', 100, 100, 0, 'closed', 'too much', now(), now())""",
        """INSERT INTO credits_holdpart (hold_id, grant_id, amount, captured, released, returned)
            SELECT hold.id, lot.id, 100, 100, 0, 0 FROM credits_credithold AS hold, credits_creditgrant AS lot
            WHERE hold.reference = 'too much' AND lot.reference <> 'second'""",
        *(
            f"""INSERT INTO credits_creditentry (workspace_id, grant_id, hold_id, kind, from_bucket, to_bucket, amount,
                    balance_after, reference, actor, reason, at)
                SELECT '{workspace}', lot.id, hold.id, '{kind}', '{origin}', '{target}', 100,
                    400 + lot.available, '', '', '', now()
                FROM credits_credithold AS hold, credits_creditgrant AS lot
                WHERE hold.reference = 'too much' AND lot.reference <> 'second'"""
            for kind, origin, target in (("hold", "available", "held"), ("capture", "held", "spent"))
        ),
        "UPDATE credits_creditgrant SET available = available - 100, spent = spent + 100 WHERE reference <> 'second'",
    )


@pytest.fixture
def floor_again():
    """Put the constraint back that `overdraw` removes."""
    yield
    sql(
        "UPDATE credits_creditgrant SET available = 0, spent = amount, held = 0 WHERE available < 0",
        f"ALTER TABLE credits_creditgrant DROP CONSTRAINT IF EXISTS {AVAILABLE}",
        f"ALTER TABLE credits_creditgrant ADD CONSTRAINT {AVAILABLE} CHECK (available >= 0)",
    )


def forget_bytes(made: Generation) -> None:
    storage.current().delete(made.outputs.select_related("image")[0].image.storage_key)


def other_bytes(made: Generation) -> None:
    path = storage.current().local_path(made.outputs.select_related("image")[0].image.storage_key)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def leave_over(_made: Generation) -> None:
    key = f"g/{uuid.uuid4()}/0-{'0' * 64}.png"
    storage.current().put(key, b"nobody's")
    yesterday = time.time() - 25 * 3600
    os.utime(storage.current().local_path(key), (yesterday, yesterday))


BROKEN = {
    "a balance": ("I-1", "UPDATE credits_creditentry SET balance_after = balance_after + 1 WHERE kind = 'grant'"),
    "a grant": (
        "I-1",
        "UPDATE credits_creditgrant SET available = available - 1, spent = spent + 1",
    ),
    "a debt": ("I-1", "UPDATE credits_creditaccount SET debt = 5"),
    "an overdrawn grant": ("I-2", overdraw),
    "a part of a hold": (
        "I-3",
        "UPDATE credits_holdpart SET captured = captured - 1, released = released + 1 WHERE captured > 0",
    ),
    "time": ("I-4", "UPDATE generations_generation SET deadline_at = now() - interval '1 hour' WHERE state = 'queued'"),
    "a lease": (
        "I-5",
        """UPDATE generations_generation SET lease_owner = 'gone:1', lease_expires_at = now() - interval '1 hour'
        WHERE state = 'queued'""",
    ),
    "bytes gone": ("I-6", forget_bytes),
    "bytes changed": ("I-6", other_bytes),
    "bytes of nobody": ("I-7", leave_over),
    "a bill": ("I-9", "UPDATE generations_generation SET price_each = 1, price = count WHERE state = 'succeeded'"),
    "a slot": ("I-10", "DELETE FROM generations_output WHERE state = 'failed'"),
    "a state": (
        "I-12",
        "UPDATE generations_generationevent SET kind = 'running' WHERE kind = 'failed'",
    ),
    "a line": ("I-13", "UPDATE generations_generationevent SET sequence = sequence + 7 WHERE kind = 'succeeded'"),
    "a grant that nobody paid": ("I-15", "UPDATE credits_creditgrant SET reference = 'payment:stripe:none'"),
    "an alarm": (
        "I-17",
        "UPDATE generations_generation SET created_at = now() - interval '1 hour', wake_at = NULL WHERE state = 'queued'",
    ),
}


def told(capsys) -> dict:
    capsys.readouterr()
    status = doctor.run(json=True)
    document = json.loads(capsys.readouterr().out)
    assert status == (0 if document["ok"] else 1)
    return document


@pytest.mark.usefixtures("floor_again")
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found_by_its_invariant_alone(name, made, capsys):
    assert told(capsys)["ok"]
    invariant, plant = BROKEN[name]
    if invariant == "I-17":
        sql("DELETE FROM procrastinate_jobs")
    if callable(plant):
        plant(made)
    else:
        sql(plant)
    document = told(capsys)
    assert [row["invariant"] for row in document["invariants"] if not row["holds"]] == [invariant]
    assert [bool(row["violations"]) for row in document["invariants"]] == [
        not row["holds"] for row in document["invariants"]
    ]


def test_a_sound_install_has_nothing_to_show(made, capsys):
    recovery.sweep()
    assert doctor.run(json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("I-")] == PROMISED
    assert all(line.split()[1] == "holds" for line in lines if line.startswith("I-"))
    assert lines[-1] == "All 13 hold."


def test_an_empty_install_is_sound_and_says_that_nobody_works(store, capsys):
    assert doctor.run(json=False) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "All 13 hold.",
        "No worker is running now: what waits, waits for one.",
    ]


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("linux", r"Pictures are decoded apart: 1 GiB of memory, 10 s of CPU, 15 s in all, .+, with(out)? network.*\."),
        ("darwin", r"Pictures are decoded apart: .* memory and network are not limited on this system\."),
    ],
)
def test_it_says_what_a_decoder_gives_up_and_blames_nobody_for_it(store, capsys, monkeypatch, system, words):
    monkeypatch.setattr("gesso.images.decoding.sys", types.SimpleNamespace(platform=system, executable=sys.executable))
    assert doctor.run(json=False) == 0
    assert re.search(words, " ".join(capsys.readouterr().out.split()))


def test_each_violation_has_a_line_of_its_own(made, capsys):
    sql("UPDATE generations_generation SET deadline_at = now() - interval '1 hour' WHERE state = 'queued'")
    waiting = Generation.objects.get(state="queued")
    assert doctor.run(json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    (line,) = [number for number, text in enumerate(lines) if text.startswith("I-4 ")]
    assert "1 wrong" in lines[line]
    assert any(text.startswith(f"        generation {waiting.id}: it is queued since") for text in lines[line:])
    assert "1 of 13 do not hold." in lines


def test_the_document_says_what_was_checked(made, capsys):
    document = told(capsys)
    assert document.keys() == {"ok", "at", "invariants"}
    assert datetime.datetime.fromisoformat(document["at"]).tzinfo
    rows = {row["invariant"]: row for row in document["invariants"]}
    assert list(rows) == PROMISED
    assert all(row.keys() == {"invariant", "sentence", "holds", "checked", "of", "violations"} for row in rows.values())
    assert {
        name: (row["checked"], row["of"]) for name, row in rows.items() if name in {"I-4", "I-5", "I-6", "I-9"}
    } == {
        "I-4": (3, "generations"),
        "I-5": (1, "generations in hand"),
        "I-6": (2, "images"),
        "I-9": (2, "ended generations"),
    }
    assert rows["I-7"]["checked"] is None
    sql("UPDATE credits_creditaccount SET debt = 5")
    (wrong,) = [row for row in told(capsys)["invariants"] if not row["holds"]]
    assert wrong["violations"] == [{"subject": f"workspace {made.workspace_id}", "sentence": "owes 5, entries say 0."}]


def test_it_reads_one_snapshot_and_writes_nothing(made, monkeypatch):
    seen = []

    def look():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
            seen.append(cursor.fetchone())
        return []

    monkeypatch.setattr(doctor, "INVARIANTS", (doctor.Invariant("I-0", "Looks.", look),))
    assert doctor.run(json=True) == 0
    assert seen == [("repeatable read", "on")]


def test_it_proves_an_install_that_is_running_and_one_that_is_not(place_for_data):
    with instance.running(place_for_data) as studio:
        studio.run("user", "add", "ada@example.org")
        studio.run("grant", "ada@example.org", "100", "--reason", "a test")
        key = studio.run("key", "create", "ada@example.org").stdout.strip()
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(_make_a_picture, studio.url, key) for _ in range(6)]
            while not all(answer.done() for answer in asked):
                done = studio.run("doctor", "--json")
                assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True), done.stdout
        assert [answer.result() for answer in asked] == [200] * 6
        lines = studio.run("doctor").stdout.splitlines()
        assert lines[-1] == "All 13 hold."
        assert studio.stop() == 0
        done = studio.run("doctor", "--json")
        document = json.loads(done.stdout)
        assert (done.returncode, document["ok"]) == (0, True), done.stdout
        assert {row["invariant"]: row["checked"] for row in document["invariants"]}["I-9"] == 6


def _make_a_picture(url: str, key: str) -> int:
    asked = {"prompt": "Three pears in a stoneware bowl", "quality": "low"}
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.post(
        f"{url}/v1/images/generations", json=asked, headers=headers, timeout=60, trust_env=False
    ).status_code
