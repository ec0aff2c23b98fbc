"""Static files: collected under hashed names into the data directory by the web process that serves them.

Compressing takes a second or two, so it is done only when a source file changed. Names of older versions stay: a page
that was open during an update still finds its files.
"""

import fcntl
import hashlib
import pathlib
from collections.abc import Iterator

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command

STAMP = ".collected-from"  # in STATIC_ROOT: a digest of the names, sizes and times of the sources


def collect() -> None:
    """Make STATIC_ROOT hold the present static files. Several processes may call it: the second waits."""
    root = pathlib.Path(settings.STATIC_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, digest = root / STAMP, _digest_of_sources()
        if stamp.exists() and stamp.read_text() == digest:
            return
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(digest)


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        known = path.stat()
        digest.update(f"{path}\0{known.st_size}\0{known.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _sources() -> Iterator[pathlib.Path]:
    for finder in finders.get_finders():
        for name, storage in finder.list([]):
            assert isinstance(storage, FileSystemStorage)
            yield pathlib.Path(storage.path(name))
