"""Foreign keys point the way an import may: down. Django's own registry is asked, so that no table is forgotten."""

import configparser
import pathlib

from django.apps import apps

ROOT = pathlib.Path(__file__).parents[2]


def floors() -> dict[str, int]:
    """Return the floor of each room by its name, from the contract that import-linter keeps; 0 is the top."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    layers = contract["importlinter:contract:down"]["layers"].split("\n")
    return {
        room.strip(" ()"): floor for floor, layer in enumerate(filter(str.strip, layers)) for room in layer.split("|")
    }


def room(model) -> str:
    return model.__module__.split(".")[1]


def pointers():
    """Return (from, field, to) for each relation that a table of ours has a column for."""
    return [
        (model, field.name, field.related_model)
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.startswith("gesso.")
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and not field.auto_created
    ]


def test_every_table_is_in_a_room_with_a_floor():
    rooms = {room(model) for model in apps.get_models() if model.__module__.startswith("gesso.")}
    assert {"accounts", "credits", "images", "generations"} <= rooms <= floors().keys()


def test_foreign_keys_point_down():
    found = pointers()
    assert len(found) >= 20
    up = [
        f"{model.__name__}.{name} -> {target.__name__}"
        for model, name, target in found
        if target.__module__.startswith("gesso.")
        and room(model) != room(target)
        and floors()[room(target)] <= floors()[room(model)]
    ]
    assert up == []


def test_other_peoples_tables_are_pointed_at_by_accounts_alone():
    found = [
        f"{model.__name__}.{name}"
        for model, name, target in pointers()
        if not target.__module__.startswith("gesso.") and room(model) != "accounts"
    ]
    assert found == []


def test_money_and_history_are_never_deleted_with_something_else():
    kept = {
        "CreditGrant",
        "CreditHold",
        "HoldPart",
        "CreditEntry",
        "Generation",
        "Output",
        "Attempt",
        "GenerationEvent",
    }
    found = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        if model.__module__.startswith("gesso.") and model.__name__ in kept
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and field.remote_field.on_delete.__name__ == "CASCADE"
    ]
    assert found == []


def test_models_and_migrations_say_the_same():
    from django.db.migrations.autodetector import MigrationAutodetector
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.state import ProjectState

    loader = MigrationLoader(None)
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(graph=loader.graph)
    assert {app: found for app, found in changes.items() if apps.get_app_config(app).name.startswith("gesso.")} == {}
