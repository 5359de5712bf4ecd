"""What the first process that ended early said, which the others can read after its death."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import NamedTuple

from torch.distributed.distributed_c10d import Store

KEY = "redditgnn/ended"


class Report(NamedTuple):
    """How a process ended: the `status` of the run's row, and a line of text."""

    rank: int
    status: str
    text: str


class Reports:
    """Keeps the first report in `store`, which belongs to no single process of the run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, report: Report) -> None:
        """Keep a report, unless another process has ended before."""
        self._store.compare_set(KEY, "", json.dumps(report))

    def first(self, wait_s: float) -> Report | None:
        """Return the first report, None if there is none within `wait_s` seconds."""
        try:
            self._store.wait([KEY], timedelta(seconds=wait_s))
            return Report(*json.loads(self._store.get(KEY)))
        except RuntimeError:  # time is up, or whoever kept the store is gone
            return None
