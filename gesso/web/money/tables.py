"""Tables as CSV files, streamed part by part: no table is in memory whole. Their cells are `core.csv_files`' matter."""

from collections.abc import AsyncIterator, Callable, Sequence

from django.http import StreamingHttpResponse

from gesso.core import csv_files, transactions

Cell = csv_files.Cell
Row = Sequence[Cell]
# Rows after a cursor (None: from the beginning), and the cursor of those that follow; None: that was all.
Part = Callable[[int | None], tuple[list[Row], int | None]]


def response(name: str, header: Row, part: Part) -> StreamingHttpResponse:
    """Answer with the file `name`; each part is read in a database thread, when the one before has left."""
    answer = StreamingHttpResponse(_lines(header, part), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


async def _lines(header: Row, part: Part) -> AsyncIterator[bytes]:
    yield csv_files.written([header])
    cursor, more = None, True
    while more:
        rows, cursor = await transactions.in_thread(part, cursor)
        more = cursor is not None
        if rows:
            yield csv_files.written(rows)
