"""The ground under every test: one real Postgres for the whole run, and an environment that is the same everywhere.

The server is the embedded one, started by the process that runs pytest (xdist's workers share it) and stopped with it.
pytest-django makes each worker a database of its own. Settings are read after the environment is set, which is why
DJANGO_SETTINGS_MODULE is set here and not in pyproject.toml.
"""

import contextlib
import os
import pathlib
import shutil
import tempfile
from time import sleep

import django
import pytest
from django.conf import settings

from gesso.config import embedded
from tests.credits.clocks import Clock

OURS = ("GESSO_", "OPENAI_", "FAL_", "STRIPE_", "CREEM_", "GOOGLE_", "GITHUB_", "EMAIL_URL", "DATABASE_URL", "DJANGO_")
SERVER = "TESTS_POSTGRES_URL"  # handed down from the process that runs pytest to xdist's workers

_until_the_end = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    if not hasattr(config, "workerinput"):
        os.environ[SERVER] = _until_the_end.enter_context(_server())
    data_dir = _until_the_end.enter_context(_directory())
    os.environ |= {
        "DATABASE_URL": os.environ[SERVER],
        "GESSO_DATA_DIR": str(data_dir),
        "GESSO_SECRET_KEY": "a key for tests, the same in every run",
        "DJANGO_SETTINGS_MODULE": "gesso.config.settings",
    }
    # Most tests make people, and none but those of signing in care how slowly a password is hashed.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    # Pages are drawn without collecting static files first; a running instance does collect them.
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STATIC_ROOT.mkdir()
    django.setup()
    # Not handed down: xdist's workers would read the settings before this hook, with the wrong data directory.
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure() -> None:
    _until_the_end.close()


@contextlib.contextmanager
def _server():
    with _directory() as data_dir:
        place = embedded.location(data_dir)
        with embedded.running(place, durable=False):
            yield f"postgresql://{embedded.ROLE}@/{embedded.DATABASE}?host={place.socket_dir}"


@contextlib.contextmanager
def _directory():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="gesso-tests-"))
    directory.chmod(0o711)  # as root, Postgres runs as a user of its own who must pass through
    try:
        yield directory
    finally:
        try:
            shutil.rmtree(directory)
        except OSError:  # the children of somebody who was killed were still writing
            sleep(2)
            shutil.rmtree(directory)


@pytest.fixture(scope="session", autouse=True)
def flush_past_the_guards():
    """Let the emptying of tables between tests pass the triggers that refuse TRUNCATE to everybody else."""
    from django.db import connection
    from django.db.backends.postgresql.operations import DatabaseOperations

    plain = DatabaseOperations.execute_sql_flush

    def flush(self, sql_list):
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
        try:
            return plain(self, sql_list)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET session_replication_role = origin")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", flush)
        yield


@pytest.fixture(scope="session")
def places():
    """Make data directories that root's service user can reach (pytest's own `tmp_path` is private)."""
    with contextlib.ExitStack() as made:
        yield lambda: made.enter_context(_directory())


@pytest.fixture
def place_for_data():
    """A data directory for an instance of the test's own, gone when the test ends."""
    with _directory() as directory:
        yield directory


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock that the test turns in the place of the database's."""
    turned = Clock()
    monkeypatch.setattr("gesso.core.clock.now", turned.now)
    return turned
