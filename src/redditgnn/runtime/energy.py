"""Energy that processors and a GPU have drawn, from the counters that they keep themselves.

Linux shows those of processor packages (RAPL) below /sys/class/powercap, on many machines to the
administrator alone. NVIDIA's library NVML has those of GPUs, through the package `nvidia-ml-py`.
A counter knows no programs: what others do at the same time is in it, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

POWERCAP = Path("/sys/class/powercap")
PACKAGES = "intel-rapl:*"  # AMD's processors have the same name
PERIOD_S = 30.0  # a counter of processors begins anew after minutes at the least


class Counter:
    """A counter in units of `joules`, which begins anew when it has reached `limit`.

    `read` raises OSError if it cannot.
    """

    def __init__(self, read: Callable[[], int], joules: float, limit: int = 0) -> None:
        self._read, self._joules, self._limit = read, joules, limit
        self._latest = read()

    def advance(self) -> float:
        """Return the joules since the last call, which must be less than one round ago."""
        before, self._latest = self._latest, self._read()
        grown = self._latest - before
        return (grown if grown >= 0 else grown + self._limit) * self._joules


class EnergyMeter:
    """Adds up the joules of some counters from now on.

    Counters of processors begin anew after some minutes under load. So `keep_up` has to be called
    more often than that.
    """

    def __init__(self, counters: Sequence[Counter]) -> None:
        self._counters, self._total, self._read_at = counters, 0.0, time.monotonic()

    def keep_up(self) -> None:
        """Read the counters if that is long ago."""
        if time.monotonic() - self._read_at >= PERIOD_S:
            self.joules()

    def joules(self) -> float | None:
        """Return the energy so far. None if there is no counter, or one can no longer be read."""
        self._read_at = time.monotonic()
        try:
            self._total += sum(counter.advance() for counter in self._counters)
        except OSError:
            self._counters = []
        return self._total if self._counters else None


def cpu_energy(powercap: Path = POWERCAP) -> EnergyMeter:
    """Return the meter of all processor packages, of what is inside of them, not of memory."""
    folders = [path for path in powercap.glob(PACKAGES) if path.name.count(":") == 1]
    try:
        return EnergyMeter([_package(folder) for folder in folders])
    except OSError:
        return EnergyMeter([])


def gpu_energy(device: torch.device) -> EnergyMeter:
    """Return the meter of the GPU `device`; it has no counter on a CPU, or without NVML."""
    if device.type != "cuda":
        return EnergyMeter([])
    try:
        return EnergyMeter([_gpu(str(torch.cuda.get_device_properties(device).uuid))])
    except (ImportError, OSError):
        return EnergyMeter([])


def _package(folder: Path) -> Counter:
    def read() -> int:
        return int((folder / "energy_uj").read_text())

    return Counter(read, 1e-6, int((folder / "max_energy_range_uj").read_text()))


def _gpu(uuid: str) -> Counter:
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError as error:
        raise OSError(str(error)) from error

    def read() -> int:
        try:
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error

    return Counter(read, 1e-3)
