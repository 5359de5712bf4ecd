"""The backends of the kernels: `torch` anywhere, `numba` on a CPU, `triton` on CUDA."""

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
    """A backend's limits.

    Attributes:
        device_type: The type of the devices that it runs on, or None for any.
        dtypes: The floating types that it reads without conversion.
        max_channels: The largest number of channels of a head.
    """

    device_type: str | None
    dtypes: tuple[torch.dtype, ...]
    max_channels: float = float("inf")


BACKENDS = {  # the last one that can run is the fastest
    "torch": Backend(None, (torch.float32, torch.float64)),
    "numba": Backend("cpu", (torch.float32,)),
    "triton": Backend("cuda", (torch.float32, torch.float16, torch.bfloat16), 1024),
}
AUTO = "auto"

log = logging.getLogger(__name__)

_current = AUTO


@contextmanager
def use_backend(name: str, device: torch.device) -> Iterator[None]:
    """Run the enclosed kernels on backend `name`. `auto` is the fastest one on `device`.

    Raises:
        ConfigError: the backend does not exist or cannot run on `device`.
    """
    global _current
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
    previous, _current = _current, name
    try:
        yield
    finally:
        _current = previous


def backend_for(value: torch.Tensor) -> str:
    """Return the backend that computes with `value` [rows, heads, channels].

    That is the chosen one, or the fastest. The reference computes double precision, to check the
    others, and heads too wide for a GPU's registers.
    """
    name = current_backend(value.device)
    fits = value.dtype != torch.float64 and value.size(-1) <= BACKENDS[name].max_channels
    return name if fits else "torch"


def current_backend(device: torch.device) -> str:
    """Return the backend that the settings ask for on `device`."""
    return fastest(device) if _current == AUTO else _current


def fastest(device: torch.device) -> str:
    """Return the fastest backend that runs on `device`."""
    return [name for name in BACKENDS if not unsupported_reasons(name, device)][-1]


def unsupported_reasons(name: str, device: torch.device) -> list[str]:
    """Return the reasons why the backend cannot run on `device`. Empty if it can."""
    device_type = BACKENDS[name].device_type
    reasons = []
    if device_type not in (None, device.type):
        reasons.append(f"it is made for {device_type}, not for {device.type}")
    elif name == "numba" and not _simd_compiles():
        reasons.append("Numba is missing or does not compile")
    elif name == "triton" and not _has_triton():
        reasons.append("triton is not installed")
    return reasons


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


@cache
def _simd_compiles() -> bool:
    """Whether Numba compiles vectors of eight numbers here. If not, log a warning once."""
    if not numba_works():
        return False
    try:
        from redditgnn.kernels.simd_numba import try_lanes

        try_lanes(np.zeros(8, np.float32))
    except Exception as error:  # a compiler may fail in any way
        log.warning(
            "Numba's attention kernels do not compile here (%s): torch is used on the CPU instead",
            type(error).__name__,
        )
        return False
    return True
