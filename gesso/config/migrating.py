"""The database's tables, brought up to date by one process at a time however many start at once."""

from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

LOCK = (7000, 0)  # an advisory lock; `generations.recovery` uses (7000, 1) and on


def migrate() -> None:
    """Apply every migration that is missing. Safe to repeat and to run from several hosts: the second waits."""
    if _is_current():
        return
    # The lock has a connection of its own: migrations commit one by one.
    guard = connections.create_connection("default")
    try:
        with guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", LOCK)
        call_command("migrate", interactive=False, verbosity=0)
    finally:
        guard.close()


def _is_current() -> bool:
    executor = MigrationExecutor(connections["default"])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
