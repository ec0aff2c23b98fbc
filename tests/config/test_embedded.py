"""The embedded database's life: made once, owned by one, healed after any death, and nothing else touched."""

import contextlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import time

import psycopg
import pytest

from gesso.config import embedded
from tests.instance import alive, until


@pytest.fixture
def place(place_for_data):
    return embedded.location(place_for_data)


def connect(place):
    return psycopg.connect(host=str(place.socket_dir), user=embedded.ROLE, dbname=embedded.DATABASE, autocommit=True)


def value(place, sql):
    with connect(place) as connection:
        return connection.execute(sql).fetchone()[0]


def test_it_answers_while_it_runs_and_not_after(place):
    assert not embedded.answers(place)
    with embedded.running(place):
        assert embedded.answers(place)
    assert not embedded.answers(place)


def test_what_was_written_is_there_after_a_restart(place):
    with embedded.running(place), connect(place) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with embedded.running(place):
        assert value(place, "SELECT number FROM kept") == 7


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("data_checksums", "on"), ("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on"),
        ("listen_addresses", ""), ("unix_socket_permissions", "0700"), ("server_encoding", "UTF8"),
    ],
)  # fmt: skip
def test_it_is_durable_and_private(settings_of_one, setting, expected):
    assert settings_of_one[setting] == expected


@pytest.fixture(scope="module")
def settings_of_one(places):
    place = embedded.location(places())
    with embedded.running(place), connect(place) as connection:
        return dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())


def test_only_its_user_can_reach_it_and_no_parent_is_changed(place):
    before = [part.stat().st_mode for part in place.data_dir.parents]
    with embedded.running(place, durable=False):
        for directory in (place.pgdata, place.socket_dir, place.log_dir):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        rules = (place.pgdata / "pg_hba.conf").read_text().splitlines()
        assert {line.split()[0] for line in rules if line and not line.startswith("#")} == {"local"}
    assert [part.stat().st_mode for part in place.data_dir.parents] == before


def test_one_at_a_time(place):
    with embedded.running(place, durable=False), pytest.raises(embedded.AlreadyRunning), embedded.lock(place):
        pass


@pytest.mark.crash
def test_it_recovers_from_a_kill_and_loses_nothing(place):
    with embedded.lock(place):
        process = _started(place)
        with connect(place) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
        process.kill()
        process.wait()
        again = _started(place)
        try:
            assert value(place, "SELECT count(*) FROM kept") == 1000
        finally:
            embedded.stop(again)


@pytest.mark.crash
def test_a_server_that_another_life_left_behind_is_ended_first(place):
    starter = f"""
import os, pathlib, time
from gesso.config import embedded
place = embedded.location(pathlib.Path({str(place.data_dir)!r}))
process = embedded.start(place)
while not embedded.is_ready(place, process):
    time.sleep(0.02)
print(process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as parent:
        old = int(parent.stdout.readline())
        os.kill(old, signal.SIGSTOP)  # deaf to the signal that its parent's death sends
        parent.kill()
    try:
        with embedded.running(place):
            assert not alive(old)
            assert value(place, "SELECT 1") == 1
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(old, signal.SIGKILL)


@pytest.mark.crash
def test_it_goes_when_its_parent_is_killed(place):
    starter = f"""
import pathlib, time
from gesso.config import embedded
with embedded.running(embedded.location(pathlib.Path({str(place.data_dir)!r}))) as process:
    print(process.pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    until(lambda: not alive(pid), 10, "Postgres to go")


def test_a_pid_file_that_names_somebody_else_stops_nobody(place):
    with embedded.running(place, durable=False):
        kept = (place.pgdata / "postmaster.pid").read_text()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (place.pgdata / "postmaster.pid").write_text(kept.replace(kept.split("\n")[0], str(bystander.pid), 1))
        with embedded.running(place, durable=False):
            assert embedded.answers(place)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_first_start_that_was_cut_off_is_begun_anew(place):
    (place.home / "postgres.new").mkdir(parents=True)
    (place.home / "postgres.new" / "PG_VERSION").write_text("18\n")
    with embedded.running(place, durable=False):
        assert embedded.answers(place)


def test_a_server_that_can_not_start_is_one_sentence(place):
    with embedded.running(place, durable=False):
        pass
    (place.pgdata / "postgresql.conf").write_text("no_such_setting = on\n")
    with pytest.raises(embedded.Unusable, match="its log is in"), embedded.running(place, durable=False):
        pass


def test_a_long_path_gets_a_short_private_socket_directory(place_for_data):
    data_dir = place_for_data / ("deep" * 25)
    data_dir.mkdir()
    place = embedded.location(data_dir)
    assert place.socket_dir.parent == pathlib.Path("/tmp")
    try:
        with embedded.running(place, durable=False):
            assert stat.S_IMODE(place.socket_dir.stat().st_mode) == 0o700
            assert value(place, "SELECT 1") == 1
    finally:
        shutil.rmtree(place.socket_dir)


def test_a_socket_directory_that_somebody_else_opened_is_refused(place_for_data):
    data_dir = place_for_data / ("deep" * 25)
    data_dir.mkdir()
    place = embedded.location(data_dir)
    place.socket_dir.mkdir()
    place.socket_dir.chmod(0o777)
    try:
        with pytest.raises(embedded.Unusable, match=str(place.socket_dir)), embedded.running(place, durable=False):
            pass
    finally:
        shutil.rmtree(place.socket_dir)


class TestAsRootInAPrivateDirectory:
    """Where Postgres's user can't reach the data directory. Told by a pretended root, and shown by a real one."""

    @pytest.fixture(autouse=True)
    def ours(self, place_for_data, monkeypatch):
        ours = place_for_data / "ours"
        monkeypatch.setattr(embedded, "_OURS", ours)
        monkeypatch.setattr(embedded, "_open_to_all", lambda path: path.is_relative_to(ours))
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        return ours

    def test_database_and_binaries_live_in_a_directory_of_ours(self, place_for_data, ours):
        place = embedded.location(place_for_data / "data")
        assert place.home.parent == ours
        assert place.binaries.is_relative_to(ours)
        assert place.service_user == embedded.SERVICE_USER

    def test_the_place_is_kept_whatever_becomes_of_the_directory(self, place_for_data, ours, monkeypatch):
        place = embedded.location(place_for_data / "data")
        with embedded.lock(place):
            pass
        monkeypatch.setattr(embedded, "_open_to_all", lambda _path: True)
        assert embedded.location(place_for_data / "data").pgdata == place.pgdata

    def test_a_data_directory_made_anew_does_not_get_the_old_database(self, place_for_data, ours):
        place = embedded.location(place_for_data / "data")
        with embedded.lock(place):
            (place.home / "marker").touch()
        shutil.rmtree(place_for_data / "data")
        with embedded.lock(embedded.location(place_for_data / "data")):
            assert not (place.home / "marker").exists()
            assert len(list(ours.glob(f"{place.home.name}-until-*/marker"))) == 1


def _started(place):
    process = embedded.start(place)
    while not embedded.is_ready(place, process):
        time.sleep(0.02)
    return process
