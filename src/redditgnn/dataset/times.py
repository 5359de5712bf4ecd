"""Times of nodes and edges, checked."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from redditgnn.errors import DataError

Times = Int64[ndarray, " times"] | Float64[ndarray, " times"]


def check_times(name: str, key: str, times: ndarray | None, size: int) -> None:
    """Refuse times that are not one for each of `size` nodes or edges, int64 or float64, finite.

    `key` is `node_time` or `edge_time`.

    Raises:
        DataError: names the first unusable time.
    """
    if times is None:
        return
    kind = f"{key.removesuffix('_time')}s"
    if times.shape != (size,):
        raise DataError(
            f"dataset={name}: {key}: each of {size:,} {kind} needs one time, got the shape "
            f"{list(times.shape)}"
        )
    if times.dtype not in (np.int64, np.float64):
        raise DataError(
            f"dataset={name}: {key} must be stored as int64 or float64, got {times.dtype}"
        )
    finite = np.isfinite(times)
    if not finite.all():
        position = int(np.argmin(finite))
        raise DataError(
            f"dataset={name}: {key} must be finite, number {position:,} of the {kind} has "
            f"{times[position]:g}; give every one a time, or leave times out"
        )
