"""The cap on CUDA memory: what it refuses, and what it leaves free."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch

from redditgnn.errors import ConfigError
from redditgnn.memory import GIB, free_memory, memory_limit

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
KEY = "trainer.memory_limit_gib"


@pytest.fixture
def fractions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pretend a GPU of 100 GiB with 90 free, 6 reserved and 4 of those allocated."""
    told: list[float] = []
    card = SimpleNamespace(total_memory=100 * GIB)
    for name, answer in {
        "get_device_properties": card,
        "get_device_name": "Some GPU",
        "memory_allocated": 4 * GIB,
        "memory_reserved": 6 * GIB,
        "mem_get_info": (90 * GIB, 100 * GIB),
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, answer=answer: answer)
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda share, _: told.append(share)
    )
    return told


def test_a_limit_is_a_share_of_the_device_and_ends_with_the_run(fractions: list[float]) -> None:
    assert free_memory(GPU) == 92 * GIB
    with suppress(ZeroDivisionError), memory_limit(KEY, 24, GPU):
        assert fractions == [0.24]
        assert free_memory(GPU) == 20 * GIB
        raise ZeroDivisionError
    assert fractions == [0.24, 1.0]
    assert free_memory(GPU) == 92 * GIB


def test_no_limit_changes_nothing(fractions: list[float]) -> None:
    with memory_limit(KEY, None, GPU), memory_limit(KEY, None, CPU):
        assert free_memory(GPU) == 92 * GIB
    assert fractions == []


def test_more_than_the_device_has_is_refused(fractions: list[float]) -> None:
    told = f"{KEY} must be at most 100.0, what Some GPU has, got 200; lower it or set {KEY}=null"
    with pytest.raises(ConfigError, match=told), memory_limit(KEY, 200, GPU):
        pass
    assert fractions == []


def test_a_cpu_has_no_limit() -> None:
    told = f"{KEY} caps the memory of a CUDA device, and this run is on the CPU; set {KEY}=null"
    with pytest.raises(ConfigError, match=told), memory_limit(KEY, 24, CPU):
        pass
    assert free_memory(CPU) > 0


@pytest.mark.gpu
def test_an_allocation_beyond_the_limit_fails_and_then_succeeds() -> None:
    bytes_wanted = 2 * GIB
    with memory_limit(KEY, 1, GPU), pytest.raises(torch.OutOfMemoryError):
        torch.empty(bytes_wanted, dtype=torch.uint8, device=GPU)
    assert torch.empty(bytes_wanted, dtype=torch.uint8, device=GPU).numel() == bytes_wanted
