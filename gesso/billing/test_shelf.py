"""Where the test checkout keeps what a real gateway would know: a table of its own, apart from our orders."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction

from gesso.billing.models import TestSale


class Shelf:
    """Rows of JSON by id."""

    def get(self, number: str) -> dict[str, Any] | None:
        """Return what is kept under `number`, or None."""
        row = TestSale.objects.filter(id=number).first()
        return dict(row.data) if row else None

    def put(self, number: str, data: Mapping[str, Any]) -> None:
        """Keep `data` under `number`, over what was there."""
        TestSale.objects.update_or_create(id=number, defaults={"data": dict(data)})

    @transaction.atomic
    def add(self, number: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Keep `data` under `number` unless something is there already; returns what is there then."""
        row, _ = TestSale.objects.get_or_create(id=number, defaults={"data": dict(data)})
        return dict(row.data)

    def starting(self, prefix: str) -> list[tuple[str, dict[str, Any]]]:
        """Return what is kept under ids that begin with `prefix`, oldest first."""
        rows = TestSale.objects.filter(id__startswith=prefix).order_by("id")
        return [(row.id, dict(row.data)) for row in rows]

    def changed_since(self, moment: datetime.datetime) -> Iterator[str]:
        """Yield the ids of what changed since `moment`, and of everything that may change by itself."""
        rows = TestSale.objects.filter(changed_at__gte=moment) | TestSale.objects.filter(id__startswith="ts_")
        yield from rows.order_by("id").values_list("id", flat=True)
