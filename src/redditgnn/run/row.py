"""The columns of runs.csv: what is known before a run, and what its epochs add."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import COMPONENTS, Settings
from redditgnn.record.provenance import provenance
from redditgnn.record.recorder import append_run, write_json
from redditgnn.record.resume import Claim, claim, identity
from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.runtime.measure import peak_cuda_mib, peak_rss_mib
from redditgnn.tracker.base import Guarded
from redditgnn.trainer.loop import Training


def row_at_start(settings: Settings, device: torch.device) -> RunRow:
    """Return what is known before a run begins; its status is `failed` until it says otherwise."""
    now = datetime.now(timezone.utc)
    config_hash = hash_of_config(settings)
    made = provenance(device)
    names: dict[str, Any] = {g: settings.choices[g] for g in ("dataset", "model", "sampler")}
    return RunRow(
        run_id=f"{now:%Y%m%d-%H%M%S}-{config_hash[:6]}-s{settings.seed}-{secrets.token_hex(2)}",
        started_at=now.isoformat(timespec="seconds"),
        status="failed",
        **names,
        experiment=settings.choices["experiment"],
        seed=settings.seed,
        protocol=settings.protocol,
        config_hash=config_hash,
        commit=made["commit"],
        dirty=made["dirty"],
        torch_version=made["torch_version"],
        pyg_version=made["pyg_version"],
        device=made["device"],
        device_name=made["device_name"],
        num_threads=made["num_threads"],
        kernels_backend=settings.kernels.backend,
        hyperparameters=json.dumps(_hyperparameters(settings), sort_keys=True),
    )


def _hyperparameters(settings: Settings) -> dict[str, Any]:
    told = {
        f"{group}.{key}": value
        for group in COMPONENTS
        for key, value in settings.components[group].items()
        if not key.startswith("_")
    }
    return {
        "optimizer": settings.choices["optimizer"],
        "scheduler": settings.choices["scheduler"],
    } | told


def timings(rows: list[EpochRow]) -> dict[str, Any]:
    """Return the columns that sum up epochs."""
    if not rows:
        return {}
    training = Training(rows)
    return {
        "epochs": len(rows),
        "train_s": training.total("epoch_s"),
        "eval_s": training.total("eval_s"),
        "epoch_median_s": training.epoch_median_s,
        **{name: training.total(name) for name in ("sample_s", "transfer_s", "compute_s")},
    }


def result(training: Training) -> dict[str, Any]:
    """Return the columns that tell of the best epoch; none if no epoch was evaluated."""
    best = training.best
    if best is None:
        return {}
    return {
        "best_epoch": best.epoch,
        "time_to_best_s": training.time_to_best_s,
        "train_loss": best.train_loss,
        "val_accuracy": best.val_accuracy,
        "val_micro_f1": best.val_micro_f1,
        "val_macro_f1": best.val_macro_f1,
    }


def peaks(device: torch.device) -> dict[str, Any]:
    """Return the columns of memory, as far as they can still be read."""
    try:
        allocated, reserved = peak_cuda_mib(device)
    except RuntimeError:  # after a CUDA error every later call fails
        allocated, reserved = None, None
    return {
        "peak_cuda_allocated_mib": allocated,
        "peak_cuda_reserved_mib": reserved,
        "peak_rss_mib": peak_rss_mib(),
    }


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
