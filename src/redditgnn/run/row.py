"""The row of runs.csv that a run leaves, whatever happens."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

import torch

from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import COMPONENTS, PROTOCOL, Settings
from redditgnn.distributed.team import Alone, Team
from redditgnn.evaluation.coverage import Coverage
from redditgnn.record.provenance import provenance
from redditgnn.record.recorder import append_run, write_json
from redditgnn.record.resume import RunFolder, claim, identity
from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.runtime.energy import cpu_energy, gpu_energy
from redditgnn.runtime.measure import MIB, peak_cuda_mib, peak_rss_mib
from redditgnn.tracker.base import SafeTracker
from redditgnn.trainer.loop import TrainingResult


def row_at_start(settings: Settings, device: torch.device) -> RunRow:
    """Return what is known before a run begins; its status is `failed` until it says otherwise."""
    now = datetime.now(timezone.utc)
    config_hash = hash_of_config(settings)
    maker = provenance(device)
    names: dict[str, Any] = {g: settings.choices[g] for g in ("dataset", "model", "sampler")}
    names["dataset"] = settings.components["dataset"].get("name") or names["dataset"]
    return RunRow(
        run_id=f"{now:%Y%m%d-%H%M%S}-{config_hash[:6]}-s{settings.seed}-{secrets.token_hex(2)}",
        started_at=now.isoformat(timespec="seconds"),
        status="failed",
        **names,
        experiment=settings.choices["experiment"],
        seed=settings.seed,
        protocol=settings.protocol,
        config_hash=config_hash,
        commit=maker["commit"],
        dirty=maker["dirty"],
        torch_version=maker["torch_version"],
        pyg_version=maker["pyg_version"],
        device=maker["device"],
        device_name=maker["device_name"],
        num_threads=maker["num_threads"],
        kernels_backend=settings.kernels.backend,
        **_sharing(settings),
        hyperparameters=hyperparameters(settings, settings.components),
    )


def _sharing(settings: Settings) -> dict[str, Any]:
    """Return the columns on the processes that share a run."""
    parallel = settings.parallel
    return {
        "parallel": parallel.name,
        "processes": parallel.processes,
        "backend": None if parallel.is_none else parallel.backend,
        "batches_per_step": settings.components["trainer"].get("batches_per_step") or 1,
    }


def hyperparameters(settings: Settings, components: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the column of that name: the keys of all components as JSON."""
    names = {group: settings.choices[group] for group in ("optimizer", "scheduler")}
    groups = settings.with_embedding({group: components[group] for group in COMPONENTS})
    if settings.temporal is not None:
        groups[PROTOCOL] = asdict(settings.temporal)
    keys = {
        f"{group}.{key}": value
        for group, values in groups.items()
        for key, value in values.items()
        if not key.startswith("_")
    }
    return json.dumps(names | keys, sort_keys=True)


def with_epochs(row: RunRow, epochs: list[EpochRow]) -> RunRow:
    """Return `row` with the columns that sum up `epochs`."""
    if not epochs:
        return row
    return replace(
        row,
        epochs=len(epochs),
        train_s=sum(epoch.epoch_s for epoch in epochs),
        eval_s=sum(epoch.eval_s for epoch in epochs),
        epoch_median_s=epoch_median_s(epochs),
        sample_s=sum(epoch.sample_s for epoch in epochs),
        transfer_s=sum(epoch.transfer_s for epoch in epochs),
        compute_s=sum(epoch.compute_s for epoch in epochs),
    )


def with_best(row: RunRow, training: TrainingResult) -> RunRow:
    """Return `row` with the columns of the best epoch; as it is if no epoch was evaluated."""
    best = training.best
    if best is None:
        return row
    return replace(
        row,
        best_epoch=best.epoch,
        time_to_best_s=sum(e.epoch_s + e.eval_s for e in training.rows[: best.epoch]),
        train_loss=best.train_loss,
        val=best.val,
    )


def with_traffic(row: RunRow, team: Team, epochs: list[EpochRow]) -> RunRow:
    """Return `row` with what the collectives of the training `epochs` have cost this process."""
    if team.size == 1 or not epochs:
        return row
    sent = team.traffic.sent_bytes / max(1, team.traffic.num_steps)
    return replace(row, wait_s=sum(epoch.wait_s for epoch in epochs), sent_mib=sent / MIB)


def with_coverage(row: RunRow, coverage: Coverage) -> RunRow:
    """Return `row` with the number of classes that are never predicted."""
    return replace(row, classes_never_predicted=len(coverage.never))


def epoch_median_s(epochs: list[EpochRow]) -> float:
    """Return the median seconds of an epoch; the first, which warms up, counts only if alone."""
    seconds = [epoch.epoch_s for epoch in epochs]
    return median(seconds[1:] or seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """Seconds, peaks of memory and energy of a run; None where they are not known."""

    load_s: float | None = None
    preprocess_s: float | None = None
    wall_s: float | None = None
    peak_cuda_allocated_mib: float | None = None
    peak_cuda_reserved_mib: float | None = None
    peak_rss_mib: float | None = None
    cpu_energy_j: float | None = None
    gpu_energy_j: float | None = None

    def after(self, earlier: Spent) -> Spent:
        """Return both sessions of a run that was interrupted together."""
        return Spent(
            load_s=_known(sum, self.load_s, earlier.load_s),
            preprocess_s=_known(sum, self.preprocess_s, earlier.preprocess_s),
            wall_s=_known(sum, self.wall_s, earlier.wall_s),
            peak_cuda_allocated_mib=_known(
                max, self.peak_cuda_allocated_mib, earlier.peak_cuda_allocated_mib
            ),
            peak_cuda_reserved_mib=_known(
                max, self.peak_cuda_reserved_mib, earlier.peak_cuda_reserved_mib
            ),
            peak_rss_mib=_known(max, self.peak_rss_mib, earlier.peak_rss_mib),
            cpu_energy_j=_known(sum, self.cpu_energy_j, earlier.cpu_energy_j),
            gpu_energy_j=_known(sum, self.gpu_energy_j, earlier.gpu_energy_j),
        )


def _known(combine: Any, *values: float | None) -> float | None:
    numbers = [value for value in values if value is not None]
    return combine(numbers) if numbers else None


class RunRecord:
    """Collects the columns of a run; `record` writes them once, from whichever thread comes first.

    Attributes:
        row: The columns so far, without those that `spent` counts.
        epochs: The epochs so far.
        tracker: Follows the run as well.
        team: The processes that share the run. Rank 0 has its files, see `Follower`.
        load_s, preprocess_s: Seconds of this process before training; None until they are known.
        results_dir: Where runs.csv is.
        path: The file that the row was written to; None before.
    """

    def __init__(
        self,
        row: RunRow,
        results_dir: Path,
        device: torch.device,
        tracker: SafeTracker,
        team: Team | None = None,
    ) -> None:
        self.row, self.tracker, self.epochs = row, tracker, list[EpochRow]()
        self.team: Team = team or Alone()
        self.load_s: float | None = None
        self.preprocess_s: float | None = None
        self.path: Path | None = None
        self._earlier = Spent()
        self._cpu_energy, self._gpu_energy = cpu_energy(), gpu_energy(device)
        self._folder: RunFolder | None = None
        self.results_dir, self._device = results_dir, device
        self._start, self._writing = time.perf_counter(), threading.Lock()

    def claim(self, description: Mapping[str, Any]) -> RunFolder:
        """Take a folder for the run; its run.json gets `description` and the run's identity."""
        own = identity(self.row)
        folder = self._folder = claim(self.results_dir, self.row, own)
        if folder.resumed_from is None:
            write_json({**description, "identity": own}, folder.folder / "run.json")
        else:
            self._earlier, self.epochs = Spent(**folder.resumed_from["run"]), folder.rows
        self.team.broadcast((folder.folder, folder.resumed_from, folder.started_at))
        self.row = replace(self.row, run_id=folder.folder.name, started_at=folder.started_at)
        self.tracker.started(self.row, self.results_dir, len(self.epochs))
        return folder

    def end_epoch(self, row: EpochRow) -> None:
        """Add an epoch."""
        self.epochs.append(row)
        self.tracker.epoch(row)
        self._cpu_energy.keep_up()

    def release(self, status: str) -> None:
        """Give the folder back, if there is one; its checkpoint goes with a final `status`."""
        if self._folder is not None:
            self._folder.release(status)

    def share_peaks(self) -> None:
        """Let the peaks of memory be the largest of any process."""
        allocated, reserved = _peak_cuda_mib(self._device)
        own = (peak_rss_mib(), allocated or 0.0, reserved or 0.0)
        peaks = torch.stack(self.team.gather_equal(torch.tensor(own, dtype=torch.float64)))
        rss, *cuda = peaks.amax(dim=0).tolist()
        names = ("peak_cuda_allocated_mib", "peak_cuda_reserved_mib")
        on_cuda = {} if allocated is None else dict(zip(names, cuda, strict=True))
        self._earlier = self._earlier.after(Spent(peak_rss_mib=rss, **on_cuda))

    def spent(self) -> Spent:
        """Return what all sessions together have spent, as far as it is known."""
        allocated, reserved = _peak_cuda_mib(self._device)
        now = Spent(
            load_s=self.load_s,
            preprocess_s=self.preprocess_s,
            wall_s=time.perf_counter() - self._start,  # no wait: the device may be what failed
            peak_cuda_allocated_mib=allocated,
            peak_cuda_reserved_mib=reserved,
            peak_rss_mib=peak_rss_mib(),
            cpu_energy_j=self._cpu_energy.joules(),
            gpu_energy_j=self._gpu_energy.joules(),
        )
        return now.after(self._earlier)

    def record(self, status: str, error: str | None = None) -> None:
        """Append the row to runs.csv, unless that was done before."""
        with self._writing:
            if self.path is None:
                row = replace(self.row, status=status, error=error, **asdict(self.spent()))
                self.row = with_epochs(row, self.epochs)
                self.path = append_run(self.row, self.results_dir)
                self.tracker.finished(self.row)


def _peak_cuda_mib(device: torch.device) -> tuple[float | None, float | None]:
    try:
        return peak_cuda_mib(device)
    except RuntimeError:  # after a CUDA error every later call fails
        return None, None
