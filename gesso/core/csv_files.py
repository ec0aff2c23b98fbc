"""Lines of CSV in which nothing is run: text that a spreadsheet would take for a formula leaves with an apostrophe.

What is a number in Python is a number in the file.
"""

import csv
import decimal
import io
from collections.abc import Sequence

Cell = str | int | decimal.Decimal
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def written(rows: Sequence[Sequence[Cell]]) -> bytes:
    """Return rows as lines of CSV."""
    file = io.StringIO()
    csv.writer(file).writerows([[harmless(cell) for cell in row] for row in rows])
    return file.getvalue().encode()


def harmless(cell: Cell) -> Cell:
    """Return the cell, with an apostrophe in front where it begins as a formula does, after spaces too."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA) else cell
