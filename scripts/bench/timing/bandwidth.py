"""The bandwidth of a device, which floors of time are made of."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from redditgnn.runtime.measure import synchronize

COPIED_BYTES = 2**29
COPIES = 7


def copy_bandwidth(device: torch.device, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the bytes per second of copying a large tensor, read and write counted: the best."""
    source = torch.ones(COPIED_BYTES // torch.float32.itemsize, device=device)
    target = torch.zeros_like(source)
    seconds = []
    for _ in range(COPIES):
        synchronize(device)
        start = clock()
        target.copy_(source)
        synchronize(device)
        seconds.append(clock() - start)
    return 2 * COPIED_BYTES / min(seconds)
