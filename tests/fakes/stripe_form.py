"""Stripe's way of writing parameters: form fields with brackets, `line_items[0][price_data][currency]=usd`."""

import re
import urllib.parse
from typing import Any

_PART = re.compile(r"\[([^\]]*)\]")


def parse(text: str) -> dict[str, Any]:
    """Return the nested parameters of a query or a body."""
    found: dict[str, Any] = {}
    for name, value in urllib.parse.parse_qsl(text, keep_blank_values=True):
        head, *_ = name.split("[", 1)
        _put(found, [head, *_PART.findall(name)], value)
    return {name: _listed(value) for name, value in found.items()}


def flag(value: object) -> bool:
    """Return a parameter that is true or false."""
    return value == "true"


def _put(into: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        into = into.setdefault(part or str(len(into)), {})
    into[path[-1] or str(len(into))] = value


def _listed(value: Any) -> Any:
    """Turn {"0": ..., "1": ...} into a list, all the way down."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(one) for name, one in value.items()}
    return list(inner.values()) if inner and all(name.isdigit() for name in inner) else inner
