"""The peak of a call, above what was in use before."""

from __future__ import annotations

import torch

from scripts.bench.timing.memory import CPU, memory_of


def test_memory_beyond_what_was_there_is_measured() -> None:
    memory = memory_of(lambda: torch.ones(2**24), CPU)  # 64 MiB
    assert memory is not None
    assert 60 < memory.extra_mib < 90
    assert memory.peak_mib > memory.extra_mib
