"""`gesso run`: ready with one line, alive whatever dies, gone when it is told to go, and never half there."""

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
from tests import instance
from tests.instance import until

pytestmark = pytest.mark.crash


@pytest.fixture
def gesso(place_for_data):
    with instance.running(place_for_data) as running:
        yield running


def test_it_says_that_it_is_ready_and_then_the_owner_link_alone(gesso):
    until(lambda: len(gesso.said) == 2, what="two lines")
    assert gesso.said[0] == f"Gesso is ready at {gesso.url}/"
    assert gesso.said[1].startswith(f"{gesso.url}/owner/")
    assert gesso.get("/livez").text == "ok"
    assert gesso.get("/readyz").json() == dict.fromkeys(("database", "storage", "queue", "recovery"), "ok")


def test_the_arguments_of_every_process_say_what_it_is(gesso):
    parts = gesso.parts()
    assert parts.keys() == {"web", "worker", "postgres"}
    for name in ("web", "worker"):
        words = pathlib.Path(f"/proc/{parts[name]}/cmdline").read_bytes().decode().replace("\0", " ")
        assert f"gesso {name}" in words


@pytest.mark.parametrize("part", ["web", "worker", "postgres"])
def test_a_part_that_is_killed_is_back_at_once(gesso, part):
    time.sleep(2)  # older than a part that can't start
    before = gesso.parts()[part]
    os.kill(before, signal.SIGKILL)
    until(lambda: gesso.parts().get(part) not in {None, before}, 5, f"a new {part}")
    until(gesso.well, 15, "everything to be well")


def test_a_new_worker_listens_after_postgres_came_back(gesso):
    time.sleep(2)
    before = gesso.parts()
    os.kill(before["postgres"], signal.SIGKILL)
    until(lambda: gesso.parts().get("worker") not in {None, before["worker"]}, 20, "a new worker")
    until(gesso.well, 15, "everything to be well")
    assert gesso.parts()["web"] == before["web"]


def test_everything_killed_at_once_comes_back(gesso):
    time.sleep(2)
    for pid in gesso.parts().values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(gesso.parts()) == 3 and gesso.well(), 20, "everything to be back")


def test_a_web_process_that_hangs_is_replaced(gesso):
    before = gesso.parts()["web"]
    os.kill(before, signal.SIGSTOP)
    until(lambda: gesso.parts().get("web") not in {None, before}, 60, "a new web process")
    until(gesso.well, 15, "everything to be well")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_of_it_cleanly(gesso, number):
    pids = [*gesso.parts().values()]
    assert gesso.stop(number, 20) == 0
    assert not any(instance.alive(pid) for pid in pids)
    place = embedded.location(gesso.data_dir)
    assert not (place.pgdata / "postmaster.pid").exists()  # Postgres said goodbye


def test_a_second_signal_stops_at_once(gesso):
    os.kill(gesso.parts()["worker"], signal.SIGSTOP)  # would use up the whole grace
    gesso.process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert gesso.process.poll() is None
    assert gesso.stop(signal.SIGTERM, 8) == 0  # the grace is 14


def test_killed_itself_it_leaves_nothing_and_starts_again(place_for_data):
    with instance.running(place_for_data) as first:
        pids = [*first.parts().values()]
        first.process.kill()
        until(lambda: not any(instance.alive(pid) for pid in pids), 20, "all parts to go")
    with instance.running(place_for_data, GESSO_PORT=str(first.port)) as second:
        assert second.well()


def test_killed_itself_it_can_be_started_again_at_once(place_for_data):
    with instance.running(place_for_data) as first:
        first.process.kill()
        first.process.wait()
        with instance.running(place_for_data, GESSO_PORT=str(first.port)) as second:
            assert second.well()


def test_a_second_start_on_the_same_directory_says_so(gesso):
    beside = gesso.run("run")
    assert beside.returncode == 1
    assert beside.stderr.strip() == f"gesso: Gesso already runs on {gesso.data_dir}."


def test_a_port_in_use_is_one_sentence(gesso, places):
    with instance.running(places(), wait=False, GESSO_PORT=str(gesso.port)) as other:
        assert other.process.wait(15) == 1
    assert len(other.complained) == 1
    assert f"127.0.0.1:{gesso.port}" in other.complained[0]


def test_two_instances_run_side_by_side(gesso, places):
    with instance.running(places()) as other:
        assert other.well()
        assert gesso.well()
        assert other.said[0] != gesso.said[0]


def test_it_can_be_stopped_while_it_starts(place_for_data):
    with instance.running(place_for_data, wait=False) as starting:
        until(lambda: "postgres" in starting.parts(), what="Postgres")
        pids = [*starting.parts().values()]
        assert starting.stop(signal.SIGINT, 20) == 0
        assert not any(instance.alive(pid) for pid in pids)
    assert starting.said == []


def test_an_external_database_is_used_and_not_owned(place_for_data, tmp_path):
    place = embedded.location(place_for_data)
    with embedded.running(place, durable=False):
        url = f"postgresql://{embedded.ROLE}@/{embedded.DATABASE}?host={place.socket_dir}"
        with instance.running(tmp_path, DATABASE_URL=url, GESSO_SECRET_KEY="x" * 32) as gesso:
            assert gesso.parts().keys() == {"web", "worker"}
            assert gesso.stop() == 0
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) > 0 FROM django_migrations").fetchone() == (True,)


@pytest.fixture
def ordinary_user():
    """The command that runs another as a user who may do nothing special: empty for whoever is one already."""
    if os.geteuid() != 0:
        yield []
        return
    name = f"gesso-test-{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", "--home-dir", "/nonexistent", name], check=True)
    # Where root's Python is in a private directory, the user may read what root can; writing is what matters here.
    reads = "+dac_read_search" if _private(pathlib.Path(sys.executable).resolve()) else "-all"
    words = [f"--reuid={name}", f"--regid={name}", "--clear-groups", f"--inh-caps={reads}", f"--ambient-caps={reads}"]
    try:
        yield ["setpriv", *words, "--"]
    finally:
        # It is refused while a process of that user still dies.
        until(lambda: subprocess.run(["userdel", name], check=False).returncode == 0, 10, "the user to go")


def _private(path):
    return not all(part.stat().st_mode & stat.S_IXOTH for part in path.parents)


def test_an_ordinary_user_runs_it_in_a_deep_directory(place_for_data, ordinary_user):
    data_dir = place_for_data / ("deep" * 25)
    data_dir.mkdir()
    if ordinary_user:
        shutil.chown(data_dir, ordinary_user[1].partition("=")[2])
    before = [part.stat().st_mode for part in (data_dir, *data_dir.parents)]
    with instance.running(data_dir, prefix=ordinary_user) as gesso:
        assert gesso.well()
        assert gesso.stop() == 0
    assert [part.stat().st_mode for part in (data_dir, *data_dir.parents)] == before


def test_root_in_a_private_directory_opens_nothing_to_others(place_for_data):
    data_dir = place_for_data / "private" / "data"
    data_dir.parent.mkdir(mode=0o700)
    try:
        with instance.running(data_dir) as gesso:
            assert gesso.well()
            assert gesso.run("migrate").returncode == 0
        assert stat.S_IMODE(data_dir.parent.stat().st_mode) == 0o700
        assert (data_dir / "postgres").is_symlink() == (os.geteuid() == 0)
    finally:
        if (data_dir / "postgres").is_symlink():
            shutil.rmtree((data_dir / "postgres").readlink().parent)
