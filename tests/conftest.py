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

import django
import pytest

from gesso.config import embedded

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
    django.setup()


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
        shutil.rmtree(directory)


@pytest.fixture
def place_for_data():
    """A data directory that the service user of a second instance can reach (pytest's own `tmp_path` is private)."""
    with _directory() as directory:
        yield directory
