"""What the README promises about `gesso run` and its neighbours, with work in hand. The rest is in tests/config."""

import os
import signal
import subprocess
import uuid

import psycopg
import pytest

from tests import conftest, instance, stand
from tests.instance import until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

STOP_SECONDS = 20  # the contract's
COMMANDS = [
    ["web"], ["worker"], ["migrate"], ["user", "add", "a@example.com"], ["key", "create", "a@example.com"], ["doctor"],
]  # fmt: skip


@pytest.fixture
def busy(place_for_data, fake):
    """An install with three generations at a provider that takes its time."""
    with stand.standing(place_for_data, fake, stand.catalogue(place_for_data)) as made:
        fake.control(latency=300)
        for n in range(3):
            made.submit(f"In flight {n}", count=2)
        for n in range(3):
            made.until_called(f"In flight {n}", 2)
        yield made


def test_it_stops_in_time_with_work_in_flight_and_ends_it_at_the_next_start(busy):
    pids = [*busy.gesso.parts().values()]
    assert busy.gesso.stop(signal.SIGINT, STOP_SECONDS) == 0
    assert not any(instance.alive(pid) for pid in pids)
    busy.fake.control(latency=0)
    busy.start_again()
    numbers = [row["id"] for row in busy.listed()]
    assert [row["state"] for row in busy.ended(*numbers)] == ["succeeded"] * 3
    assert busy.rows("SELECT DISTINCT rescues FROM generations_generation") == [(0,)]  # a stop is no crash
    assert len(busy.fake.images()) == 12  # once before, once after
    busy.prove()


def test_a_second_signal_does_not_wait_for_the_work_in_flight(busy):
    pids = [*busy.gesso.parts().values()]
    busy.gesso.process.send_signal(signal.SIGINT)
    until(lambda: "web" not in busy.gesso.parts(), stand.PATIENCE, "the stop to begin")
    assert "worker" in busy.gesso.parts()  # it gives the work its grace
    assert busy.gesso.stop(signal.SIGINT, 8) == 0
    assert not any(instance.alive(pid) for pid in pids)
    busy.fake.control(latency=0)
    busy.start_again()
    busy.ended(*[row["id"] for row in busy.listed()])
    busy.prove()


def test_two_installs_side_by_side_keep_to_themselves(places, fake):
    first_dir, second_dir = places(), places()
    with (
        stand.standing(first_dir, fake, stand.catalogue(first_dir)) as first,
        stand.standing(second_dir, fake, stand.catalogue(second_dir)) as second,
    ):
        (here,), (there,) = first.ended(first.submit("Of the first")), second.ended(second.submit("Of the second"))
        assert (here["state"], there["state"]) == ("succeeded", "succeeded")
        assert first.ask("GET", f"/api/generations/{there['id']}").status_code == 404
        assert second.ask("GET", "/api/credits", headers=first.headers).status_code == 401
        assert first.gesso.stop() == 0
        second.prove()


def test_a_data_directory_may_have_spaces_and_accents_in_its_name(place_for_data, fake):
    data_dir = place_for_data / "Ada's \u201cStüdio\u201d  & more; $HOME"
    data_dir.mkdir()
    data_dir.chmod(0o711)
    with stand.standing(data_dir, fake, stand.catalogue(place_for_data)) as studio:
        (row,) = studio.ended(studio.submit("In a strange place"))
        assert row["state"] == "succeeded"
        studio.prove()
        studio.kill_everything()
        studio.start_again()
        studio.prove()
    assert not any(place_for_data.glob("catalog.toml?*"))


@pytest.fixture
def database():
    """The address of a database of the test's own on the tests' server."""
    server, name = os.environ[conftest.SERVER], f"contract_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield psycopg.conninfo.make_conninfo(server, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def as_url(words: str) -> str:
    known = psycopg.conninfo.conninfo_to_dict(words)
    return f"postgresql://{known['user']}@/{known['dbname']}?host={known['host']}"


def test_a_database_of_ones_own_serves_the_whole_path(place_for_data, fake, database):
    known = {"DATABASE_URL": as_url(database), "GESSO_SECRET_KEY": "k" * 32}
    with stand.standing(place_for_data, fake, stand.catalogue(place_for_data), **known) as studio:
        assert studio.gesso.parts().keys() == {"web", "worker"}
        fake.control(latency=2)
        number = studio.submit("In a database of one's own")
        studio.until_called("In a database of one's own")
        # Somebody else runs that server, and ends every connection of ours.
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        # A connection may be gone between being listed and being ended: then there is nothing to end.
        [(ended,)] = studio.rows(f"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) {others}")
        assert ended > 2
        (row,) = studio.ended(number)
        assert row["state"] == "succeeded"
        studio.well()
        (later,) = studio.ended(studio.submit("And after it"))
        assert later["state"] == "succeeded"
        studio.prove()
        assert not (place_for_data / "postgres").exists()
        assert studio.gesso.stop() == 0


def test_the_doctor_names_what_is_lost_and_exits_with_1(place_for_data, fake):
    with stand.standing(place_for_data, fake, stand.catalogue(place_for_data)) as studio:
        (row,) = studio.ended(studio.submit("Lost later"))
        studio.prove()
        (original,) = studio.stored(f"g/{row['id']}")
        original.unlink()
        said = studio.gesso.run("doctor")
    assert said.returncode == 1
    assert row["outputs"][0]["image"]["id"] in said.stdout
    assert said.stderr == ""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_unknown_variable_stops_every_command_before_it_touches_anything(tmp_path, words):
    data_dir = tmp_path / "data"
    known = instance.environment(data_dir, GESSO_DATADIR="elsewhere")
    said = subprocess.run(
        [*instance.COMMAND, *words], env=known, capture_output=True, text=True, timeout=60, check=False
    )
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr == "gesso: GESSO_DATADIR is not a variable that Gesso knows; the README lists them all.\n"
    assert not data_dir.exists()
