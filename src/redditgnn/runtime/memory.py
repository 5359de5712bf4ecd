"""Limits on the memory of a run, on a CUDA device or of the process. A GiB is 2^30 bytes."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch
from torch import Tensor

from redditgnn.errors import require

GIB = 2**30
MADV_WILLNEED = 3  # of Linux
PAGE_SIZE = mmap.PAGESIZE
M_MMAP_THRESHOLD = -3  # of glibc's mallopt: from this size on, blocks are mapped one by one
FIRST_THRESHOLD, LAST_THRESHOLD = 2**17, 2**25  # bytes: glibc's first threshold, and its last one
_limits: dict[torch.device, int] = {}  # bytes: torch itself records limits only after version 2.6


@contextmanager
def memory_limit(key: str, gib: int | float | None, device: torch.device) -> Iterator[None]:
    """Limit a run to `gib` of memory, as if there were no more. None: no limit.

    On a CUDA device the limit holds for torch's allocations. CUDA itself (its context, kernels)
    takes a few hundred MiB more. On a CPU it holds for all private memory of the process, without
    files mapped into memory. An allocation above the limit fails as if memory had run out.

    Raises:
        ConfigError: the machine has less, the process uses more, or a CPU cannot be limited here.
    """
    if gib is None:
        yield
        return
    with (_cuda_limit if device.type == "cuda" else _process_limit)(key, gib, device):
        _limits[device] = int(gib * GIB)
        try:
            yield
        finally:
            del _limits[device]


def free_memory(device: torch.device) -> int:
    """Return the bytes that may still be allocated on `device`, within a `memory_limit`."""
    if device.type != "cuda":
        free = int(psutil.virtual_memory().available)
        limit = _limits.get(device)
        return free if limit is None else max(0, min(free, limit - private_bytes()))
    allocated = torch.cuda.memory_allocated(device)
    unused = torch.cuda.memory_reserved(device) - allocated
    free = torch.cuda.mem_get_info(device)[0] + unused
    return max(0, min(free, _limits.get(device, free + allocated) - allocated))


def private_bytes() -> int:
    """Return the bytes that count against RLIMIT_DATA: private writable memory, thread stacks."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData")) * 1024


def read_ahead(values: Tensor) -> None:
    """Let Linux begin to read all of a contiguous tensor that is mapped from a file."""
    with suppress(OSError, AttributeError):  # elsewhere its pages are read when they are needed
        advise_pages(values, MADV_WILLNEED)


def advise_pages(values: Tensor, advice: int) -> None:
    """Call Linux's `madvise` for the pages of a contiguous tensor."""
    start = values.data_ptr() // PAGE_SIZE * PAGE_SIZE
    end = values.data_ptr() + values.numel() * values.element_size()
    advise = ctypes.CDLL("libc.so.6").madvise
    advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)


@contextmanager
def _cuda_limit(key: str, gib: int | float, device: torch.device) -> Iterator[None]:
    total = torch.cuda.get_device_properties(device).total_memory
    _require_at_most(key, gib, total, torch.cuda.get_device_name(device))
    torch.cuda.set_per_process_memory_fraction(gib * GIB / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


@contextmanager
def _process_limit(key: str, gib: int | float, device: torch.device) -> Iterator[None]:
    require(
        sys.platform == "linux",
        f"{key} caps a CPU's memory on Linux only, got {gib} on {sys.platform}; set {key}=null",
    )
    import resource

    _require_at_most(key, gib, psutil.virtual_memory().total, "this machine")
    used = private_bytes()
    require(
        gib * GIB > used,
        f"{key} must be above {used / GIB:.2f}, what the process takes before the run, got {gib}; "
        f"raise it or set {key}=null",
    )
    torch.ones(2**20).sum()  # starts torch's threads: if they cannot start, the process aborts
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = [value for value in (soft, hard) if value != resource.RLIM_INFINITY]
    _set_mmap_threshold(FIRST_THRESHOLD)
    resource.setrlimit(resource.RLIMIT_DATA, (min(int(gib * GIB), *bound, sys.maxsize), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        _set_mmap_threshold(LAST_THRESHOLD)


def _require_at_most(key: str, gib: int | float, total: int, owner: str) -> None:
    require(
        gib * GIB <= total,
        f"{key} must be at most {total / GIB:.1f}, what {owner} has, got {gib}; lower it or set "
        f"{key}=null",
    )


def _set_mmap_threshold(size: int) -> None:
    """Make glibc return freed blocks of at least `size` bytes, where glibc allocates.

    By default it keeps them in a heap, where torch's aligned blocks do not fit into the gaps.
    """
    try:
        ctypes.CDLL("libc.so.6").mallopt(M_MMAP_THRESHOLD, size)
    except (OSError, AttributeError):
        return
