"""Which implementation of a kernel runs: `torch` anywhere, `numba` on a CPU, `triton` on CUDA."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch

from redditgnn.errors import ConfigError, require
from redditgnn.runtime.numba_threads import numba_works


class Backend(NamedTuple):
    """Where a backend runs (None: anywhere), and what it can read.

    Attributes:
        dtypes: Floating types that it reads as they are.
        max_channels: Of a head.
    """

    device_type: str | None
    dtypes: tuple[torch.dtype, ...]
    max_channels: float = float("inf")


BACKENDS = {  # of those that can run, the last is the fastest
    "torch": Backend(None, (torch.float32, torch.float64)),
    "numba": Backend("cpu", (torch.float32,)),
    "triton": Backend("cuda", (torch.float32, torch.float16, torch.bfloat16), 1024),
}
AUTO = "auto"

log = logging.getLogger(__name__)

_chosen = AUTO


@contextmanager
def use_backend(name: str, device: torch.device) -> Iterator[None]:
    """Run the enclosed kernels on the backend `name`; `auto` is the fastest that runs on `device`.

    Raises:
        ConfigError: there is no such backend, or it cannot run on `device`.
    """
    global _chosen
    require(
        name in (AUTO, *BACKENDS),
        f"kernels.backend must be one of {', '.join([AUTO, *BACKENDS])}, got {name}",
    )
    reasons = [] if name == AUTO else unsupported_reasons(name, device)
    if reasons:
        raise ConfigError(
            f"kernels.backend={name} cannot run here: {'; '.join(reasons)}; "
            "use kernels.backend=auto"
        )
    before, _chosen = _chosen, name
    try:
        yield
    finally:
        _chosen = before


def backend_for(value: torch.Tensor) -> str:
    """Return the backend that computes with `value` [rows, heads, channels].

    That is the chosen one, or the fastest; the reference where those cannot: for double precision,
    which is asked for to check the others, and for heads too wide for the registers of a GPU.
    """
    name = chosen_backend(value.device)
    fits = value.dtype != torch.float64 and value.size(-1) <= BACKENDS[name].max_channels
    return name if fits else "torch"


def chosen_backend(device: torch.device) -> str:
    """Return the backend that the settings ask for on `device`."""
    return fastest(device) if _chosen == AUTO else _chosen


def fastest(device: torch.device) -> str:
    """Return the fastest backend that runs on `device`."""
    return [name for name in BACKENDS if not unsupported_reasons(name, device)][-1]


def unsupported_reasons(name: str, device: torch.device) -> list[str]:
    """Why the backend cannot run on `device`; empty if it can."""
    made_for = BACKENDS[name].device_type
    reasons = []
    if made_for not in (None, device.type):
        reasons.append(f"it is made for {made_for}, not for {device.type}")
    elif name == "numba" and not _lanes_work():
        reasons.append("Numba is missing or does not compile")
    elif name == "triton" and not _has_triton():
        reasons.append("triton is not installed")
    return reasons


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


@cache
def _lanes_work() -> bool:
    """Whether Numba compiles vectors of eight numbers here; if not, say so once."""
    if not numba_works():
        return False
    try:
        from redditgnn.kernels.simd_numba import lanes_of

        lanes_of(np.zeros(8, np.float32))
    except Exception as error:  # whatever keeps a compiler from working
        log.warning(
            "Numba's attention kernels do not compile here (%s): torch takes over on the CPU",
            type(error).__name__,
        )
        return False
    return True
