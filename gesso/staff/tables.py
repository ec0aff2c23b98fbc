"""Tables of the staff pages as CSV files."""

from collections.abc import Sequence

from django.http import HttpResponse

from gesso.core import csv_files


def response(name: str, rows: Sequence[Sequence[csv_files.Cell]]) -> HttpResponse:
    """Answer with the file `name`."""
    return HttpResponse(
        csv_files.written(rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
