"""The directory: whole files only, never other bytes under a name, no way out of it."""

import datetime
import errno
import os
import pathlib
import sys
import threading

import pytest

from gesso.images import storage

KEY = "g/0198a0c4-0000-7000-8000-000000000001/0-abc.png"


def test_what_was_put_is_there(directory):
    directory.put(KEY, b"bytes")
    assert directory.get(KEY) == b"bytes"
    assert directory.size(KEY) == 5
    assert directory.local_path(KEY).read_bytes() == b"bytes"
    assert directory.presigned(KEY, seconds=1, media_type="image/png", disposition="inline") is None


def test_same_bytes_again_change_nothing_and_others_are_refused(directory):
    directory.put(KEY, b"bytes")
    directory.put(KEY, b"bytes")
    with pytest.raises(storage.Occupied):
        directory.put(KEY, b"other")
    assert directory.get(KEY) == b"bytes"
    assert list(directory.unfinished()) == []


def test_missing_is_missing(directory):
    with pytest.raises(storage.Missing):
        directory.get(KEY)
    assert directory.size(KEY) is None
    directory.delete(KEY)


def test_writers_and_deleters_of_one_directory_do_not_trip(directory):
    problems: list[Exception] = []

    def work(number: int) -> None:
        try:
            for _ in range(60):
                directory.put(f"g/same/{number}.png", b"x")
                directory.delete(f"g/same/{number}.png")
        except Exception as problem:  # noqa: BLE001 (whatever it is, the test says it)
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert list(directory.keys("")) == []


def test_listing_knows_whole_path_parts_and_hides_what_is_being_written(directory):
    for key in ("g/a/0.png", "g/a/1.png", "g/ab/0.png", "u/w/1.jpg"):
        directory.put(key, b"12")
    (directory.root / "g/a" / f"{storage.TEMPORARY}x").write_bytes(b"half")
    assert [found.key for found in directory.keys("g/a")] == ["g/a/0.png", "g/a/1.png"]
    assert len(list(directory.keys(""))) == 4
    assert [found.size for found in directory.unfinished()] == [4]
    assert list(directory.keys("spool")) == []
    age = datetime.datetime.now(datetime.UTC) - next(directory.keys("u")).modified
    assert abs(age) < datetime.timedelta(minutes=1)


@pytest.mark.parametrize("failing", ["write", "fsync", "link"])
def test_a_full_disk_leaves_nothing(directory, monkeypatch, failing):
    def full(*words: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(storage.Unavailable, match="No space left"):
        directory.put(KEY, b"bytes")
    monkeypatch.undo()
    assert directory.size(KEY) is None
    assert list(directory.unfinished()) == []


def test_a_large_file_is_stored_and_read_where_the_system_takes_no_hints(directory, monkeypatch):
    hints = []

    def refused(*words: object) -> None:
        hints.append(words)
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "posix_fadvise", refused, raising=False)
    directory.put(KEY, b"x" * storage.LARGE)
    assert directory.get(KEY) == b"x" * storage.LARGE
    assert len(hints) == (2 if sys.platform == "linux" else 0)


def test_every_new_directory_is_flushed_too(directory, monkeypatch):
    flushed = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(str(pathlib.Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    directory.put("g/new/0.png", b"x")
    assert {str(directory.root), str(directory.root / "g"), str(directory.root / "g/new")} < set(flushed)


@pytest.mark.parametrize(
    "key",
    [
        "../x/y",
        "g/../../x",
        "g/..",
        "/g/a",
        "g//a",
        "g/a\n",
        "g/.tmp-x",
        "etc",
        "g/%2e%2e/x",
        "G/a",
        "",
        "g/a\0b",
        "g\\a",
    ],
)
def test_no_key_but_ours(directory, key):
    for call in (
        directory.get,
        directory.size,
        directory.delete,
        directory.local_path,
        lambda k: directory.put(k, b"x"),
    ):
        with pytest.raises(ValueError, match="not a storage key"):
            call(key)
