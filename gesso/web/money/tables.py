"""Tables as CSV files: streamed part by part, numbers as numbers, and no cell that a spreadsheet would run.

Invariant: text that begins as a formula does (= + - @, or a control character before one) leaves with an apostrophe in
front; what is a number in Python is a number in the file.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence

from django.http import StreamingHttpResponse

from gesso.core import transactions

Cell = str | int
Row = Sequence[Cell]
# Rows after a cursor (None: from the beginning), and the cursor of those that follow; None: that was all.
Part = Callable[[int | None], tuple[list[Row], int | None]]

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def response(name: str, header: Row, part: Part) -> StreamingHttpResponse:
    """Answer with the file `name`; each part is read in a database thread, when the one before has left."""
    answer = StreamingHttpResponse(_lines(header, part), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


async def _lines(header: Row, part: Part) -> AsyncIterator[bytes]:
    yield written([header])
    cursor, more = None, True
    while more:
        rows, cursor = await transactions.in_thread(part, cursor)
        more = cursor is not None
        if rows:
            yield written(rows)


def written(rows: Sequence[Row]) -> bytes:
    """Return rows as lines of CSV."""
    file = io.StringIO()
    csv.writer(file).writerows([[harmless(cell) for cell in row] for row in rows])
    return file.getvalue().encode()


def harmless(cell: Cell) -> Cell:
    """Return the cell, with an apostrophe in front where a spreadsheet would take text for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
