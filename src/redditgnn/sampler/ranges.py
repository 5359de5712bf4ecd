"""Ranges of rows for kernels so short that handing them to threads has to pay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from redditgnn.compiled import TASKS_A_THREAD, row_ranges, run_on_ranges


def run_on_heavy_rows(
    kernel: Callable[..., None], rowptr: np.ndarray, *args: Any, entries_a_task: int
) -> None:
    """Call `kernel(start, stop, rowptr, *args)` on ranges that together are all rows.

    As many threads as torch has take part, as far as each task gets `entries_a_task` entries.
    """
    num_threads = torch.get_num_threads()
    most = num_threads * TASKS_A_THREAD if num_threads > 1 else 1
    num_ranges = min(most, int(rowptr[-1]) // entries_a_task)
    if num_ranges < 2:
        kernel(0, len(rowptr) - 1, rowptr, *args)
    else:
        run_on_ranges(kernel, row_ranges(rowptr, num_ranges), rowptr, *args)
