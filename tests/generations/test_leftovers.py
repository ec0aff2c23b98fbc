"""What deaths leave in the storage is deleted after a while, in a directory and in a bucket; what may be needed is not."""

import datetime
import hashlib
import os
import threading
import time
import urllib.request
import uuid

import pytest
import structlog

from gesso.core import clock
from gesso.generations import leasing, leftovers, recovery, spool
from gesso.generations.models import Generation, Heartbeat
from gesso.images import bucket, orphans, proof, storage, uploads
from gesso.images.models import Image, UnfinishedUpload
from tests import world
from tests.images.conftest import s3_server  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db(transaction=True)
HALF_A_DAY = orphans.SWEPT_AGE.total_seconds()


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(params=["directory", "bucket"])
def store(request, tmp_path, monkeypatch):
    """The storage of this test alone."""
    if request.param == "directory":
        made = storage.Directory(tmp_path / "images")
    else:
        server, name = request.getfixturevalue("s3_server"), f"b{uuid.uuid4().hex}"
        urllib.request.urlopen(urllib.request.Request(f"{server}/{name}", method="PUT")).close()
        made = bucket.Bucket(f"s3://key:secret@{name}/pictures?endpoint={server}")
    monkeypatch.setattr(storage, "current", lambda: made)
    return made


@pytest.fixture
def later(monkeypatch):
    """Let so many seconds pass for whoever asks how old a stored object is."""

    def pass_(seconds: float) -> None:
        now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        monkeypatch.setattr("gesso.core.clock.now", lambda: now)

    return pass_


def stored() -> set[str]:
    return {found.key for found in storage.current().keys("")}


def upload_and_die(who, monkeypatch) -> str:
    """Upload a picture and die before its row is made; returns the key."""

    def die(**_: object) -> None:
        raise Killed

    spared = stored()
    with monkeypatch.context() as patch:
        patch.setattr(Image.objects, "create", die)
        with pytest.raises(Killed):
            world.upload(who)
    (key,) = stored() - spared
    return key


def deliver_too_late(who) -> tuple[Generation, str]:
    """Store the picture of a generation that ends without it, and its spool too; returns it and the picture's key."""
    made = world.drive(world.submit(who), world.ScriptedProvider())
    key = f"g/{made.id}/0-{'0' * 64}.png"
    storage.current().put(key, world.picture())
    spool.clear(made.id)
    return made, key


def test_what_no_row_names_is_deleted_once_it_is_old_and_before_anybody_is_told(store, later, monkeypatch):
    who = world.person(credits=10)
    image = world.upload(who)
    uploaded, (made, delivered) = upload_and_die(who, monkeypatch), deliver_too_late(who)
    spared = stored() - {uploaded, delivered}
    assert spared == {image.storage_key, made.outputs.get(index=0).image.storage_key}
    later(HALF_A_DAY - 600)
    assert leftovers.clear() == 0
    later(HALF_A_DAY + 600)
    assert proof.objects_have_rows() == []
    assert leftovers.clear() == 2
    assert not UnfinishedUpload.objects.exists()
    assert stored() == spared
    later(3 * HALF_A_DAY)
    assert leftovers.clear() == 0
    assert proof.objects_have_rows() == []
    assert proof.rows_have_objects(full=True) == []


def test_what_a_row_may_yet_name_stays_however_old_it_is(store, later):
    running, queued = world.submit(who := world.person(credits=10)), world.submit(who)
    leasing.claim(running.id, "somebody")
    keys = {f"g/{made.id}/0-{'0' * 64}.png" for made in (running, queued)}
    for key in keys:
        store.put(key, b"a picture on its way to its people")
    later(10 * HALF_A_DAY)
    assert leftovers.clear() == 0
    assert stored() == keys


def test_a_picture_delivered_while_the_storage_is_listed_stays(store, later, monkeypatch):
    generation = world.submit(world.person(credits=10))
    data = world.picture(generation.width, generation.height)
    key = f"g/{generation.id}/0-{hashlib.sha256(data).hexdigest()}.png"
    store.put(key, data)  # by an owner who died
    plain = orphans.among

    def among(listed, before):
        found = list(plain(listed, before=before))
        if found:
            world.drive(generation, world.ScriptedProvider())
        return found

    monkeypatch.setattr(orphans, "among", among)
    later(2 * HALF_A_DAY)
    leftovers.clear()
    assert Image.objects.get().storage_key == key
    assert store.get(key) == data


def test_an_upload_that_ended_well_leaves_no_note_and_one_that_failed_does(store, monkeypatch):
    who = world.person()
    world.upload(who)
    assert not UnfinishedUpload.objects.exists()

    def away(*_: object) -> None:
        raise storage.Unavailable("away")

    monkeypatch.setattr(store, "put", away)
    with pytest.raises(storage.Unavailable):
        world.upload(who)
    assert UnfinishedUpload.objects.count() == 1  # the bytes may have arrived all the same


def test_an_upload_that_slept_past_the_sweep_is_refused(store, later, monkeypatch):
    put = store.put

    def slow(key: str, data: bytes) -> None:
        put(key, data)
        later(2 * HALF_A_DAY)
        assert leftovers.clear() == 1

    who = world.person()
    monkeypatch.setattr(store, "put", slow)
    with pytest.raises(storage.Unavailable, match="slept"):
        world.upload(who)
    assert stored() == set() and not Image.objects.exists()


def test_an_upload_that_is_discarded_while_the_storage_is_away_goes_with_the_leftovers(store, later, monkeypatch):
    image = world.upload(world.person())

    def away(_key: str) -> None:
        raise storage.Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "delete", away)
        uploads.discard(image)
    assert not Image.objects.exists()
    assert stored() == {image.storage_key}
    later(HALF_A_DAY + 600)
    assert leftovers.clear() == 1
    assert stored() == set() and not UnfinishedUpload.objects.exists()


def test_what_another_database_knows_stays_though_its_workspace_is_known_here(store, later):
    """A copy of the database, or an older one put in its place, must not cost the original its uploads."""
    who = world.person()
    image = world.upload(who)
    Image.objects.all().delete()
    later(3 * HALF_A_DAY)
    assert leftovers.clear() == 0
    assert stored() == {image.storage_key} == {violation.subject for violation in proof.objects_have_rows()}


def test_what_is_somebody_elses_is_reported_and_never_deleted(store, later):
    """A database that is not this storage's own, such as an empty one, must not cost anybody a picture."""
    keys = {f"g/{uuid.uuid4()}/0-{'0' * 64}.png", f"u/{uuid.uuid4()}/{uuid.uuid4()}.png", "g/a/0-x.png", "u/a/x.png"}
    for key in keys:
        store.put(key, world.picture())
    later(3 * HALF_A_DAY)
    assert leftovers.clear() == 0
    assert stored() == keys == {violation.subject for violation in proof.objects_have_rows()}


def test_a_write_that_was_killed_is_deleted_and_one_in_hand_is_not(tmp_path, later, monkeypatch):
    made = storage.Directory(tmp_path / "images")
    monkeypatch.setattr(storage, "current", lambda: made)
    made.put("u/a/whole.png", b"x")
    for folder in ("u/a", "g/killed"):
        (made.root / folder).mkdir(parents=True, exist_ok=True)
        (made.root / folder / f"{storage.TEMPORARY}{uuid.uuid4().hex}").write_bytes(b"half a pict")
    (made.root / "g/killed/.DS_Store").write_bytes(b"not ours")
    old, young = made.unfinished()
    before = time.time() - HALF_A_DAY
    os.utime(made.root / old.key, (before - 60,) * 2)
    os.utime(made.root / young.key, (before + 60,) * 2)
    assert leftovers.clear() == 1
    assert [found.key for found in made.unfinished()] == [young.key]
    later(HALF_A_DAY)
    assert leftovers.clear() == 1
    assert stored() == {"u/a/whole.png", "g/killed/.DS_Store"}


def test_one_worker_clears_at_a_time_and_seldom(store, monkeypatch):
    rounds = []
    monkeypatch.setattr(leftovers, "clear", lambda: rounds.append(1))
    for _ in range(3):
        if thread := leftovers.clear_if_due():
            thread.join()
    assert len(rounds) == 1
    every = datetime.timedelta(hours=leftovers.EVERY_HOURS)
    Heartbeat.objects.filter(name=leftovers.NAME).update(at=clock.now() - every)
    leftovers.clear_if_due().join()
    assert leftovers.clear_if_due() is None
    assert len(rounds) == 2


def test_a_round_that_fails_is_told_and_ends_nothing(store, monkeypatch):
    def away(_prefix: str) -> None:
        raise storage.Unavailable("away")

    monkeypatch.setattr(store, "keys", away)
    with structlog.testing.capture_logs() as told:
        leftovers.clear_if_due().join()
    assert [(line["log_level"], line["event"]) for line in told] == [("error", "leftovers were not cleared")]


def test_the_recovery_loop_clears_them_soon_after_its_start(monkeypatch):
    asked = threading.Event()
    monkeypatch.setattr(leftovers, "clear_if_due", asked.set)
    monkeypatch.setattr(recovery, "EVERY", 0.01)
    loop = recovery.Loop()
    loop.start()
    assert asked.wait(20)
    loop.stop()
    loop._thread.join(20)
