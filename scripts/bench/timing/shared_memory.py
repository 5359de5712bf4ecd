"""Memory of processes that map the same files: each page counts once, whoever has it.

PSS is the share of a process in all its pages: a page that two processes map counts half in each.
The sum over the processes is what they take together. Linux alone measures it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

from redditgnn.runtime.measure import MIB
from scripts.bench.timing.ranks import ranks_of

PERIOD_S = 0.5


class Occupied(NamedTuple):
    """MiB of all ranks: `pss`, and `private`, which no file holds and no other process has."""

    pss: float
    private: float


class MemoryOfRanks:
    """Watches the ranks of a command from a thread, and keeps the largest sum of their PSS.

    A command of one process has no ranks: it is one itself.

    Attributes:
        peak: What they occupied at that moment; zeros where it cannot be measured.
    """

    def __init__(self, command: int, processes: int) -> None:
        self.peak = Occupied(0.0, 0.0)
        self._command, self._processes, self._ended = command, processes, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryOfRanks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(PERIOD_S):
            alone = self._processes == 1
            pids = [self._command] if alone else [rank.pid for rank in ranks_of(self._command)]
            parts = [_occupied(pid) for pid in pids]
            pss, private = (sum(sizes) for sizes in zip((0.0, 0.0), *parts, strict=True))
            self.peak = max(self.peak, Occupied(pss, private))


def _occupied(pid: int) -> Occupied:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:  # it has ended, or this is not Linux
        return Occupied(0.0, 0.0)
    sizes = dict(line.split(":", 1) for line in text.splitlines()[1:])
    kib = {name: int(size.split()[0]) for name, size in sizes.items()}
    return Occupied(kib["Pss"] * 1024 / MIB, kib["Private_Dirty"] * 1024 / MIB)
