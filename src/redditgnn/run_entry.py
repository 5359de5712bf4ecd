"""What is known of a run at any moment, and the row that it leaves behind, whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from redditgnn.recorder import EpochRow, RunRow, append_run, write_json
from redditgnn.resume import Claim, claim, identity
from redditgnn.run_row import peaks, timings
from redditgnn.tracker.base import Guarded

SUMMED = ("load_s", "preprocess_s", "wall_s")  # over the sessions of a run that was interrupted
LARGEST = ("peak_cuda_allocated_mib", "peak_cuda_reserved_mib", "peak_rss_mib")


class RunEntry:
    """Collects the facts of a run; `record` writes them once, from whichever thread comes first.

    Attributes:
        row: What was known at the start.
        facts: Columns that were found out since, by this process.
        rows: The epochs so far.
        tracker: Is told of the run as well.
        earlier: What `spent` told the checkpoint that this process goes on from.
        path: The file that the row was written to; None before.
    """

    def __init__(
        self, row: RunRow, results_dir: Path, device: torch.device, tracker: Guarded
    ) -> None:
        self.row, self.facts, self.rows = row, dict[str, Any](), list[EpochRow]()
        self.earlier: dict[str, Any] = {}
        self.path: Path | None = None
        self.tracker = tracker
        self._claim: Claim | None = None
        self._results_dir, self._device = results_dir, device
        self._start, self._writing = time.perf_counter(), threading.Lock()

    def claim(self, told: Mapping[str, Any]) -> Claim:
        """Take a folder for the run; `told` and what it can be recognised by go to its run.json."""
        wanted = identity(self.row, self.facts["fingerprint"])
        claimed = self._claim = claim(self._results_dir, self.row, wanted)
        if claimed.found is None:
            write_json({**told, "identity": wanted}, claimed.folder / "run.json")
        else:
            self.earlier, self.rows = claimed.found["run"], claimed.rows
        self.row = replace(self.row, run_id=claimed.folder.name, started_at=claimed.started_at)
        known: dict[str, Any] = {
            name: self.facts.get(name) for name in ("fingerprint", "num_parameters")
        }
        self.tracker.started(replace(self.row, **known), self._results_dir, len(self.rows))
        return claimed

    def release(self, status: str) -> None:
        """Give the folder back, if there is one; its checkpoint goes with a final `status`."""
        if self._claim is not None:
            self._claim.release(status)

    def spent(self) -> dict[str, Any]:
        """Return seconds and peaks of memory over all sessions, as far as they are known."""
        wall_s = time.perf_counter() - self._start  # no wait: the device may be what failed
        now = {**self.facts, "wall_s": wall_s, **peaks(self._device)}
        pairs = {name: (self.earlier.get(name), now.get(name)) for name in (*SUMMED, *LARGEST)}
        told = {name: [v for v in pair if v is not None] for name, pair in pairs.items()}
        return {
            name: (sum if name in SUMMED else max)(values)
            for name, values in told.items()
            if values
        }

    def record(self, status: str, error: str | None = None) -> None:
        """Append the row to runs.csv, unless that was done before."""
        with self._writing:
            if self.path is None:
                facts = {**timings(self.rows), **self.facts, **self.spent()}
                self.row = replace(self.row, status=status, error=error, **facts)
                self.path = append_run(self.row, self._results_dir)
                self.tracker.finished(self.row)
