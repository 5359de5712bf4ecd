"""The memory that a call needs, and a limit on it.

On a CPU it is resident memory of this process; worker processes do not count. On CUDA it is what
tensors occupy.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil
import torch

from redditgnn.memory.out_of_memory import is_out_of_memory
from redditgnn.runtime.measure import (
    MIB,
    peak_rss_mib,
    reset_peak_cuda,
    reset_peak_rss,
    synchronize,
)
from redditgnn.runtime.memory import GIB, private_bytes

CPU = torch.device("cpu")
LEFT_FREE_GIB = 1.0


class PeakMemory:
    """Memory in use when it was created, and the peak since then.

    On a CPU, memory that was freed but not returned is returned first: nothing hides in it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.base_mib = memory_in_use_mib(device)
        reset_peak_cuda(device)
        reset_peak_rss()

    @property
    def peak_mib(self) -> float:
        """Peak since it was created, in MiB; waits for the device."""
        synchronize(self._device)
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / MIB
        return peak_rss_mib()

    @property
    def extra_mib(self) -> float:
        """Peak above what was in use before, the outputs of the work included."""
        return self.peak_mib - self.base_mib


class Memory(NamedTuple):
    """Peak memory of one call, in MiB: beyond what was there before, and with it."""

    extra_mib: float
    peak_mib: float


def memory_of(call: Callable[[], object], device: torch.device) -> Memory | None:
    """Call once and return what memory that took; None if it was not enough."""
    watch = PeakMemory(device)
    try:
        result = call()
        memory = Memory(watch.extra_mib, watch.peak_mib)
    except (MemoryError, RuntimeError) as error:
        out_of_memory_text(error)
        return None
    del result
    return memory


def memory_in_use_mib(device: torch.device) -> float:
    """Return the memory in use once everything that can be freed is."""
    release_memory(device)
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / MIB
    reset_peak_rss()
    return peak_rss_mib()  # just reset: what is resident now


def release_memory(device: torch.device) -> None:
    """Give back what is no longer in use."""
    gc.collect()
    synchronize(device)
    reset_peak_cuda(device)
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # not glibc: its heap may hide some of a peak
        return


def out_of_memory_text(error: BaseException) -> str:
    """Return the first line of an error that means a lack of memory; raise any other again."""
    if not is_out_of_memory(error):
        raise error
    return (str(error).splitlines() or ["no memory left"])[0]


def limit_memory(device: torch.device, limit_gib: float | None) -> None:
    """Make allocations beyond the limit fail in this process, instead of the machine.

    On a CPU the limit is on private writable memory (RLIMIT_DATA), beyond what the process has:
    files that are mapped do not count. Without a limit it is what is free. On CUDA the limit is on
    what torch's allocator reserves.
    """
    if device.type == "cuda":
        if limit_gib is not None:
            total = torch.cuda.get_device_properties(device).total_memory
            share = min(1.0, limit_gib * GIB / total)
            torch.cuda.set_per_process_memory_fraction(share, device.index or 0)
        return
    if sys.platform != "linux":  # nothing to set
        return
    if limit_gib is None:
        limit_gib = psutil.virtual_memory().available / GIB - LEFT_FREE_GIB
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(limit_gib * GIB) + private_bytes(), hard))


def die_first() -> None:
    """If memory runs out all the same, let the kernel end this process and no other."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return
