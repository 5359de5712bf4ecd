"""How much of a device's memory a run may use. A GiB is 2^30 bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from redditgnn.errors import require

GIB = 2**30
_limits: dict[torch.device, int] = {}  # bytes; torch's own record of it is younger than torch 2.6


@contextmanager
def memory_limit(key: str, gib: int | float | None, device: torch.device) -> Iterator[None]:
    """Let torch allocate at most `gib` on a CUDA device, as if it were a smaller one; None: all.

    What CUDA itself takes (its context, kernels) comes on top, a few hundred MiB.

    Raises:
        ConfigError: `device` is a CPU, or has less.
    """
    if gib is None:
        yield
        return
    require(
        device.type == "cuda",
        f"{key} caps the memory of a CUDA device, and this run is on the CPU; set {key}=null",
    )
    total = torch.cuda.get_device_properties(device).total_memory
    require(
        gib * GIB <= total,
        f"{key} must be at most {total / GIB:.1f}, what {torch.cuda.get_device_name(device)} has, "
        f"got {gib}; lower it or set {key}=null",
    )
    torch.cuda.set_per_process_memory_fraction(gib * GIB / total, device)
    _limits[device] = int(gib * GIB)
    try:
        yield
    finally:
        del _limits[device]
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def free_memory(device: torch.device) -> int:
    """Return the bytes that may still be allocated on `device`, a `memory_limit` counted in."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    allocated = torch.cuda.memory_allocated(device)
    unused = torch.cuda.memory_reserved(device) - allocated
    free = torch.cuda.mem_get_info(device)[0] + unused
    return max(0, min(free, _limits.get(device, free + allocated) - allocated))
