"""Times from a column of a table: numbers, or dates, which become seconds since 1970 in UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from redditgnn.dataset.tables import MISSING, as_numpy
from redditgnn.errors import DataError
from redditgnn.graph.timeline import Times

Where = Callable[[int], str]  # what a message calls the row of this number


def read_times(column: str, array: Any, where: Where) -> Times:
    """Return the times in an Arrow array: int64 where all are whole numbers, else float64.

    Raises:
        DataError: names the first row whose cell is blank, or neither a number nor a date.
    """
    times = None if array.null_count else _cast(array)
    if times is None or not np.isfinite(times).all():
        raise _bad_cell_error(column, array.to_pylist(), where)
    return times


def _cast(array: Any) -> Times | None:
    """Return numbers or the seconds of dates, None if the cells are not all of one kind."""
    import pyarrow as pa

    dates = (pa.timestamp("us", "UTC"), pa.timestamp("us"))
    numbers = () if pa.types.is_temporal(array.type) else (pa.int64(), pa.float64())
    for kind in (*numbers, *dates):
        try:
            cells = array.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        return as_numpy(cells) if kind in numbers else _seconds(as_numpy(cells.cast(pa.int64())))
    return None


def _seconds(microseconds: Times) -> Times:
    whole = microseconds % 1_000_000 == 0
    return microseconds // 1_000_000 if whole.all() else microseconds / 1e6


def _bad_cell_error(column: str, cells: list[Any], where: Where) -> DataError:
    import pyarrow as pa

    for row, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
            return DataError(f"{where(row)} has no time in {column!r}; give it one, or remove it")
    bad = [
        k
        for k, cell in enumerate(cells)
        if (one := _cast(pa.array([cell]))) is None or not np.isfinite(one).all()
    ]
    row = bad[0] if bad else 0
    return DataError(
        f"{where(row)} must have a number, or in all rows a date such as 2013-12-02 11:00, as its "
        f"time, got {cells[row]!r} in {column!r}; correct it, or name another column"
    )
