"""Kernels compiled by Numba: a check that they work here, and running them on several threads.

The threads are Python's own, since compiled kernels release the GIL. Numba's `prange` is no option.
The only threading layer that its wheels have on every platform aborts the process when two threads
call it at once. A sampler next to a training step would do so.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch

log = logging.getLogger(__name__)

TASKS_A_THREAD = 4  # rows differ in cost: a thread that finishes early takes another task


@cache
def numba_works() -> bool:
    """Whether Numba is installed and compiles here. If not, warn once about the replacement."""
    try:
        from redditgnn.runtime.hash_numba import random_bits

        random_bits(np.uint64(1), 1)
    except Exception as error:  # any reason that a compiler does not work
        reason = (str(error).splitlines() or ["no reason given"])[0]
        log.warning(
            "Numba does not work here (%s: %s): torch takes over on the CPU, several times slower",
            type(error).__name__,
            reason,
        )
        return False
    return True


def run_on_rows(
    kernel: Callable[..., None], rowptr: np.ndarray, *args: Any, entries_a_task: int = 1
) -> None:
    """Call `kernel(start, stop, rowptr, *args)` on ranges of rows that together are all rows.

    Ranges hold about equally many entries, at least `entries_a_task`, so that handing short kernels
    to threads is worth it. A row's result must not depend on its range.
    """
    num_threads = torch.get_num_threads()
    max_ranges = num_threads * TASKS_A_THREAD if num_threads > 1 else 1
    num_ranges = max(1, min(max_ranges, int(rowptr[-1]) // entries_a_task))
    run_on_ranges(kernel, row_ranges(rowptr, num_ranges).tolist(), rowptr, *args)


def run_on_ranges(kernel: Callable[..., None], bounds: Sequence[int], *args: Any) -> None:
    """Call `kernel(bounds[i], bounds[i + 1], *args)` for every i, on as many threads as torch."""
    ranges = list(pairwise(bounds))
    num_threads = torch.get_num_threads()
    if len(ranges) < 2 or num_threads == 1:
        for start, stop in ranges:
            kernel(start, stop, *args)
        return
    tasks = [_pool(num_threads).submit(kernel, start, stop, *args) for start, stop in ranges]
    wait(tasks)  # before raising an error: other tasks still write
    for task in tasks:
        task.result()


def row_ranges(rowptr: np.ndarray, num_ranges: int) -> np.ndarray:
    """Cut the rows of a CSR into at most `num_ranges` ranges with about equally many entries.

    Each row counts as one extra entry, so that empty rows are distributed as well.
    """
    num_rows = len(rowptr) - 1
    work = rowptr + np.arange(num_rows + 1)
    goals = np.linspace(work[0], work[-1], min(num_ranges, max(1, num_rows)) + 1)
    bounds = np.searchsorted(work, goals)
    bounds[0], bounds[-1] = 0, num_rows
    return np.unique(bounds)


@cache
def _pool(num_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(num_threads, thread_name_prefix="kernel")


if hasattr(os, "register_at_fork"):  # a forked process inherits the pool without its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
