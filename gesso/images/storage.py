"""Where bytes live: a directory with fsync and rename, or anything that speaks S3.

Keys are made by us and checked; a write is durable when `put` returns and never replaces other bytes. The door to the
bytes is `delivery`; nothing here knows who may see them.
"""

import contextlib
import dataclasses
import datetime
import functools
import os
import pathlib
import re
import sys
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from typing import Protocol

from django.conf import settings

_KEY = re.compile(r"[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]{0,150}){1,4}")
TEMPORARY = ".tmp-"
LARGE = 512 * 1024  # bytes


class Missing(Exception):
    """There is nothing under this key."""


class Unavailable(Exception):
    """The storage did not do what was asked and may do it later; nothing is known to have changed."""


class Occupied(Exception):
    """Other bytes are already under this key; they stay."""


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """One object: its key, its size in bytes, when it was written."""

    key: str
    size: int
    modified: datetime.datetime


class Storage(Protocol):
    """What every storage does. Synchronous, safe from several threads."""

    origin: str  # scheme and host that presigned addresses lead to; empty when there are none

    def put(self, key: str, *parts: bytes) -> None:
        """Store the parts as one, durably. The same again changes nothing; raises Occupied for others, Unavailable."""
        ...

    def get(self, key: str) -> bytes:
        """Return the bytes. Raises Missing, Unavailable."""
        ...

    def size(self, key: str) -> int | None:
        """Return the size in bytes, or None when there is nothing."""
        ...

    def delete(self, key: str) -> None:
        """Delete what is under the key, if anything."""
        ...

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """List what is below `prefix` (a whole path part, no trailing slash; empty: everything)."""
        ...

    def unfinished(self) -> Iterator[StoredObject]:
        """List what writes that never ended left behind, and what is being written now."""
        ...

    def delete_unfinished(self, before: datetime.datetime) -> int:
        """Delete what writes left behind that began before then and never ended; returns how many there were."""
        ...

    def local_path(self, key: str) -> pathlib.Path | None:
        """Return the file that holds the bytes, or None when they are not on this machine."""
        ...

    def presigned(self, key: str, *, seconds: int, media_type: str, disposition: str) -> str | None:
        """Return an address that serves the bytes for `seconds` without us, or None when there is no such thing."""
        ...


@functools.cache
def current() -> Storage:
    """Return this process's storage, as GESSO_STORAGE_URL says."""
    url = settings.GESSO.storage_url
    if not url:
        return Directory(settings.GESSO.data_dir / "images")
    if url.startswith("file:"):
        return Directory(pathlib.Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)))
    from gesso.images import bucket  # obstore is loaded only where it is used

    return bucket.Bucket(url)


def checked(key: str) -> str:
    """Return `key` if it is one that we make; raises ValueError for anything that could lead elsewhere."""
    if not is_key(key):
        raise ValueError(f"{key!r} is not a storage key")
    return key


def is_key(key: str) -> bool:
    """Whether `key` is one that we make; anything else may lie beside our objects."""
    return bool(_KEY.fullmatch(key)) and ".." not in key


class Directory:
    """Files below one directory. A file appears whole, under its final name, after its bytes are on the disk."""

    origin = ""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, key: str, *parts: bytes) -> None:
        """Write beside, flush to the disk, link under the final name (which fails if it is taken)."""
        path = self._path(key)
        beside = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        with _unavailable():
            try:
                _write(beside, parts)
                try:
                    os.link(beside, path)
                except FileExistsError:
                    if path.read_bytes() != b"".join(parts):
                        raise Occupied(key) from None
            finally:
                beside.unlink(missing_ok=True)
            # The name is durable when every directory on the way to it is: this may be the first file in them.
            for folder in path.relative_to(self.root).parents:
                _sync_directory(self.root / folder)

    def get(self, key: str) -> bytes:
        """Read the file."""
        path = self._path(key)
        with _unavailable():
            try:
                with path.open("rb") as file:
                    data = file.read()
                    _leave_cache(file.fileno(), len(data))
                    return data
            except FileNotFoundError:
                raise Missing(key) from None

    def size(self, key: str) -> int | None:
        """Ask the file system."""
        path = self._path(key)
        with _unavailable():
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def delete(self, key: str) -> None:
        """Remove the file, and its directory when that was the last one in it."""
        self._remove(self._path(key))

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """Walk the directory; files that are still being written are not listed."""
        return (found for found in self._walk(prefix) if TEMPORARY not in found.key)

    def unfinished(self) -> Iterator[StoredObject]:
        """List temporary files: those being written now, and those that a crash left."""
        return (found for found in self._walk("") if TEMPORARY in found.key)

    def delete_unfinished(self, before: datetime.datetime) -> int:
        """Remove old temporary files. A writer that was asleep for so long fails without harm: it has lost its file."""
        left = [found.key for found in self.unfinished() if found.modified < before]
        for name in left:
            self._remove(self.root / name)
        return len(left)

    def local_path(self, key: str) -> pathlib.Path | None:
        """The file itself."""
        return self._path(key)

    def presigned(self, key: str, *, seconds: int, media_type: str, disposition: str) -> str | None:  # noqa: ARG002 (the protocol's)
        """Nobody but us serves a local file."""
        return None

    def _path(self, key: str) -> pathlib.Path:
        return self.root / checked(key)

    def _remove(self, path: pathlib.Path) -> None:
        with _unavailable():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or never there: either is fine
            path.parent.rmdir()

    def _walk(self, prefix: str) -> Iterator[StoredObject]:
        start = self.root / (checked(f"{prefix}/x").removesuffix("/x") if prefix else "")
        for folder, _, names in os.walk(start):
            for name in sorted(names):
                path = pathlib.Path(folder, name)
                try:
                    told = path.stat()
                except FileNotFoundError:  # deleted since it was listed
                    continue
                modified = datetime.datetime.fromtimestamp(told.st_mtime, datetime.UTC)
                yield StoredObject(str(path.relative_to(self.root)), told.st_size, modified)


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    """Say Unavailable for what a disk may do: full, read-only, broken, gone."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the disk says: {error.strerror or error}") from error


def _write(path: pathlib.Path, parts: Sequence[bytes]) -> None:
    descriptor = _create(path)
    try:
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        _leave_cache(descriptor, sum(map(len, parts)))
    finally:
        os.close(descriptor)


def _leave_cache(descriptor: int, size: int) -> None:
    """Let the system reuse the memory of a large file that is on the disk; what browsers ask for often is small.

    A server makes pictures all day and reads few of them again. On a virtual machine a page that was never touched
    costs ten times one that was: 3 ms for each picture stored (measured by `benchmarks`, part cost).
    """
    if sys.platform == "linux" and size >= LARGE:
        with contextlib.suppress(OSError):  # a hint: some file systems and sandboxes refuse it
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _create(path: pathlib.Path) -> int:
    """Open a new file; a `delete` may remove its directory at the same moment, which then is made again."""
    while True:
        with contextlib.suppress(FileExistsError):  # it was there, and is gone again: the next line knows
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            continue


def _sync_directory(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
