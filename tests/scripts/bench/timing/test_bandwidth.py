"""The bandwidth of a copy."""

from __future__ import annotations

from scripts.bench.timing.bandwidth import COPIED_BYTES, copy_bandwidth
from scripts.bench.timing.memory import CPU


def test_bandwidth_counts_what_is_read_and_what_is_written() -> None:
    ticks = iter(range(100))
    bandwidth = copy_bandwidth(CPU, clock=lambda: next(ticks) * 0.5)
    assert bandwidth == 2 * COPIED_BYTES / 0.5
