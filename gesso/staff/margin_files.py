"""Tables of the margin page as CSV: exact figures, and no cell that a spreadsheet would run."""

import csv
import decimal
import io
from collections.abc import Sequence

from django.http import HttpResponse

Cell = str | int | decimal.Decimal
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def response(name: str, rows: Sequence[Sequence[Cell]]) -> HttpResponse:
    """Answer with the file `name`: text that begins as a formula does leaves with an apostrophe in front."""
    file = io.StringIO()
    csv.writer(file).writerows([[_harmless(cell) for cell in row] for row in rows])
    return HttpResponse(
        file.getvalue().encode(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA) else cell
