"""Seconds, and MiB (2^20 bytes). A measurement waits for the device on both sides."""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

MIB = 2**20


class Phases:
    """Adds up the seconds spent in named phases.

    On CUDA a phase is timed by events on the stream, so that timing does not delay the device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[str, float] = defaultdict(float)
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the enclosed work to `name`."""
        if self._device.type == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            yield
            end.record()
            self._events.append((name, begin, end))
        else:
            start = time.perf_counter()
            yield
            self._seconds[name] += time.perf_counter() - start

    def seconds(self, name: str) -> float:
        """Wait for the device, and return the seconds of `name` so far."""
        synchronize(self._device)
        for phase, begin, end in self._events:
            self._seconds[phase] += begin.elapsed_time(end) / 1000
        self._events.clear()
        return self._seconds[name]


class Stopwatch:
    """Wall-clock seconds since its creation. It waits for the device at both ends."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        synchronize(device)
        self._start = time.perf_counter()

    def seconds(self) -> float:
        synchronize(self._device)
        return time.perf_counter() - self._start


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak_cuda(device: torch.device) -> None:
    """Reset the peaks of CUDA memory, and release what earlier runs of a sweep left reserved."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def reset_peak_rss() -> None:
    """Reset the peak of resident memory, where the platform can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: resets VmHWM
    except OSError:
        return


def peak_cuda_mib(device: torch.device) -> tuple[float | None, float | None]:
    """Peak allocated and reserved CUDA memory since `reset_peak_cuda`, in MiB. None on a CPU."""
    if device.type != "cuda":
        return None, None
    allocated = torch.cuda.max_memory_allocated(device)
    return allocated / MIB, torch.cuda.max_memory_reserved(device) / MIB


def peak_rss_mib() -> float:
    """Peak resident memory of this process in MiB, including memory-mapped pages.

    On Linux since `reset_peak_rss`, elsewhere since the process started.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        import psutil

        info = psutil.Process().memory_info()
        return getattr(info, "peak_wset", info.rss) / MIB
