"""The page about the API for people: drawn on the server from the OpenAPI document, without a line of script."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from gesso.api import refusals
from gesso.api.native import api

_ORDER = ("get", "post", "delete")


@dataclasses.dataclass(frozen=True)
class Row:
    """One parameter or field."""

    name: str
    kind: str
    words: str
    needed: bool = False


@dataclasses.dataclass(frozen=True)
class Operation:
    """One method of one address. `steps` are the parts of the path, between which a line may break."""

    anchor: str
    method: str
    path: str
    steps: list[str]
    summary: str
    words: str
    rows: list[Row]
    status: str
    answer: str
    shaped: bool


@dataclasses.dataclass(frozen=True)
class Shape:
    """One shape of an answer."""

    anchor: str
    rows: list[Row]


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Show every operation with what it takes and what it answers, and every refusal."""
    response = render(request, "api/reference.html", _context())
    response["Cache-Control"] = "public, max-age=300"
    return response


@functools.cache
def _context() -> dict[str, Any]:
    schema = api.get_openapi_schema()
    shapes = schema["components"]["schemas"]
    return {
        "operations": list(_operations(schema)),
        "shapes": [Shape(name, _fields(shapes[name])) for name in sorted(shapes) if shapes[name].get("properties")],
        "refusals": sorted({(row.status, row.code, row.sentence) for row in refusals.TABLE.values()}),
    }


def _operations(schema: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in schema["paths"].items():
        for method in (method for method in _ORDER if method in methods):
            words = methods[method]
            status, said = next((code, said) for code, said in words["responses"].items() if int(code) < 300)
            content: tuple[str, dict[str, Any]] = next(iter(said.get("content", {}).items()), ("", {}))
            yield Operation(
                anchor=words["operationId"], method=method.upper(), path=path,
                steps=[f"/{step}" for step in path.split("/")[1:]], summary=words["summary"],
                words=words.get("description", ""), rows=[*_parameters(words), *_body(words)], status=str(status),
                answer=_kind(content[1].get("schema", {})) or content[0], shaped="schema" in content[1],
            )  # fmt: skip


def _parameters(words: dict[str, Any]) -> Iterator[Row]:
    for row in words.get("parameters", []):
        place = {"path": "in the path", "query": "in the query", "header": "a header"}[row["in"]]
        said = row.get("description") or row["schema"].get("description", "")
        yield Row(row["name"], f"{_kind(row['schema'])}, {place}", said, row["required"])


def _body(words: dict[str, Any]) -> Iterator[Row]:
    for media_type, content in words.get("requestBody", {}).get("content", {}).items():
        place = "a form field" if media_type == "multipart/form-data" else "in the body"
        for row in _fields(content["schema"]):
            yield dataclasses.replace(row, kind=f"{row.kind}, {place}")


def _fields(schema: dict[str, Any]) -> list[Row]:
    needed = set(schema.get("required", []))
    return [
        Row(name, _kind(field), field.get("description", ""), name in needed)
        for name, field in schema.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    """Return a schema in a few words: `integer`, `one of low, medium`, `list of ImageOut`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if choices := [_kind(each) for each in schema.get("anyOf", [])]:
        return " or ".join(choices)
    if values := schema.get("enum"):
        return "one of " + ", ".join(str(value) for value in values if value != "")
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", ""))
