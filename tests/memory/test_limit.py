"""The cap on memory: what it refuses, what it leaves free, and how memory runs out under it."""

from __future__ import annotations

import csv
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from redditgnn.errors import ConfigError
from redditgnn.memory.out_of_memory import is_out_of_memory
from redditgnn.runtime.memory import GIB, free_memory, memory_limit, private_bytes
from tests.forks import Fork

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
KEY = "trainer.memory_limit_gib"
linux = pytest.mark.skipif(sys.platform != "linux", reason="no RLIMIT_DATA that counts mappings")


@pytest.fixture
def fractions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pretend a GPU of 100 GiB with 90 free, 6 reserved and 4 of those allocated."""
    shares: list[float] = []
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
        torch.cuda, "set_per_process_memory_fraction", lambda share, _: shares.append(share)
    )
    return shares


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
    message = f"{KEY} must be at most 100.0, what Some GPU has, got 200; lower it or set {KEY}=null"
    with pytest.raises(ConfigError, match=message), memory_limit(KEY, 200, GPU):
        pass
    assert fractions == []


@pytest.mark.parametrize(
    ("gib", "message"),
    [(1e-3, "must be above .* what the process takes"), (1e6, "must be at most")],
)
def test_a_limit_that_a_cpu_cannot_keep_is_refused(gib: float, message: str) -> None:
    with (
        pytest.raises(ConfigError, match=f"{KEY} {message}.*got {gib}"),
        memory_limit(KEY, gib, CPU),
    ):
        pass


def test_a_platform_that_cannot_cap_a_process_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    message = f"{KEY} caps a CPU's memory on Linux only, got 4 on darwin; set {KEY}=null"
    with pytest.raises(ConfigError, match=message), memory_limit(KEY, 4, CPU):
        pass


@linux
def test_what_a_cpu_run_may_take_is_free_until_it_is_taken() -> None:
    limit = private_bytes() + GIB // 2
    with memory_limit(KEY, limit / GIB, CPU):
        before = free_memory(CPU)
        assert 0 < before <= GIB // 2
        taken = torch.ones(GIB // 16)  # a quarter of a GiB
        assert free_memory(CPU) <= before - GIB // 5
        del taken
    assert free_memory(CPU) > GIB // 2


ALLOCATIONS = {
    "torch": lambda: torch.empty(2 * GIB, dtype=torch.uint8),
    "numpy": lambda: np.ones(2 * GIB, dtype=np.uint8),
    "many small tensors": lambda: [torch.empty(16_000) for _ in range(2**15)],
    "a training step": lambda: deep_step(2**22, 200),
    "numba": lambda: long_array(2**28),
    "threads": lambda: started_threads(200),
}


@linux
def test_beyond_the_limit_allocations_of_all_kinds_are_out_of_memory_and_succeed_later(
    fork: Callable[..., Fork], tmp_path: Path
) -> None:
    """In a process of its own: what it leaves behind is no matter of other tests."""
    script = tmp_path / "exhaust.py"
    script.write_text("from tests.memory.test_limit import exhaust; exhaust()")
    done = fork(script=script)
    assert done.wait() == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name}: out of memory, then not" for name in ALLOCATIONS]


def exhaust() -> None:
    for name, allocate in ALLOCATIONS.items():
        with memory_limit(KEY, private_bytes() / GIB + 1, CPU):
            try:
                allocate()
            except (MemoryError, RuntimeError) as error:
                outcome = "out of memory" if is_out_of_memory(error) else repr(error)
        torch.empty(2 * GIB, dtype=torch.uint8)
        print(f"{name}: {outcome}, then not")


CAPPED = f"""
import sys
from redditgnn.cli import main
from redditgnn.runtime.memory import GIB, private_bytes

sys.exit(main(["train", *sys.argv[1:], f"{KEY}={{private_bytes() / GIB + 1:.3f}}"]))
"""


@linux
def test_a_run_beyond_the_limit_is_a_row_that_says_what_to_lower(
    fork: Callable[..., Fork], tmp_path: Path
) -> None:
    chosen = ["dataset=sbm", "dataset.scale=0.02", "sampler=full", "model=pyg", "device=cpu"]
    places = [f"data_dir={tmp_path}", f"results_dir={tmp_path}"]
    script = tmp_path / "capped.py"
    script.write_text(CAPPED)
    done = fork(*chosen, *places, script=script)
    assert done.wait() == 3, done.stderr
    (row,) = csv.DictReader((tmp_path / "runs.csv").read_text().splitlines())
    assert row["status"] == "oom"
    for part in (
        "out of memory in training, epoch 1",
        "the estimate is 1,5",
        "MiB were free",
        "lower model.hidden_channels=256",
        "set trainer.recompute=layers",
        "raise trainer.memory_limit_gib",
        "sampler=gas",
    ):
        assert part in row["error"]
        assert part in done.stderr
    assert "sampler.batch_size" not in row["error"]


def deep_step(width: int, depth: int) -> None:
    x = torch.ones(width, requires_grad=True)
    for _ in range(depth):
        x = (x * 1.01).relu()
    x.sum().backward()


def long_array(length: int) -> np.ndarray:
    from redditgnn.graph.transpose_numba import transpose_csr

    return transpose_csr(np.zeros(2, np.int64), np.zeros(0, np.int32), length)


def started_threads(count: int) -> None:
    done = threading.Event()
    threads = [threading.Thread(target=done.wait, daemon=True) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
    finally:
        done.set()


@pytest.mark.gpu
def test_an_allocation_beyond_the_limit_fails_and_then_succeeds() -> None:
    bytes_wanted = 2 * GIB
    with memory_limit(KEY, 1, GPU), pytest.raises(torch.OutOfMemoryError):
        torch.empty(bytes_wanted, dtype=torch.uint8, device=GPU)
    assert torch.empty(bytes_wanted, dtype=torch.uint8, device=GPU).numel() == bytes_wanted
