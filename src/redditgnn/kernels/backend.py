"""Which implementation of a kernel runs: `torch` anywhere, `numba` on a CPU, `triton` on CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

import torch

from redditgnn.compiled import numba_works
from redditgnn.errors import ConfigError, require


class Backend(NamedTuple):
    """Where a backend runs (None: anywhere), and which floating types it reads as they are."""

    device_type: str | None
    dtypes: tuple[torch.dtype, ...]


BACKENDS = {  # of those that can run, the last is the fastest
    "torch": Backend(None, (torch.float32, torch.float64)),
    "numba": Backend("cpu", (torch.float32,)),
    "triton": Backend("cuda", (torch.float32, torch.float16, torch.bfloat16)),
}
AUTO = "auto"

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
    """Return the backend that computes with `value`: the chosen one, or the fastest.

    Double precision is the reference's alone: it is asked for to check the others.
    """
    if value.dtype == torch.float64:
        return "torch"
    return fastest(value.device) if _chosen == AUTO else _chosen


def fastest(device: torch.device) -> str:
    """Return the fastest backend that runs on `device`."""
    return [name for name in BACKENDS if not unsupported_reasons(name, device)][-1]


def unsupported_reasons(name: str, device: torch.device) -> list[str]:
    """Why the backend cannot run on `device`; empty if it can."""
    made_for = BACKENDS[name].device_type
    reasons = []
    if made_for not in (None, device.type):
        reasons.append(f"it is made for {made_for}, not for {device.type}")
    elif name == "numba" and not numba_works():
        reasons.append("Numba is missing or does not compile")
    elif name == "triton" and find_spec("triton") is None:
        reasons.append("triton is not installed")
    return reasons
