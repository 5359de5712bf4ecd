"""The rows that a run writes: of runs.csv, epochs.csv and histories.csv."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from redditgnn.metric.base import METRIC_NAMES, Scores

SPLITS = ("val", "test")  # fields that hold scores: a column for each metric


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryRow:
    """One line of histories.csv: how old and how wrong the outputs of one layer were in an epoch.

    A row's age when it is pulled is the number of epochs since it was pushed: 0 in the same one.
    What was never pushed is still zero; it has no age and no error, and is counted apart.
    `mean_relative_error` is that of ||history - exact|| / ||exact|| over `error_rows` nodes at the
    end of the epoch, before a refresh; nodes whose exact state is zero are left out.
    """

    epoch: int
    layer: int
    pulled_rows: int
    pulled_never_pushed: int
    mean_age_epochs: float | None
    max_age_epochs: int | None
    nodes_never_pushed: int
    error_rows: int
    mean_relative_error: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochRow:
    """One line of epochs.csv; validation columns are empty where `trainer.eval_every` skips.

    `sample_s` is the time that the background thread took to prepare the batches: it overlaps with
    the rest. `transfer_s` and `compute_s` are parts of `epoch_s`, which `eval_s` is not. `wait_s`
    is the time of rank 0 in collectives of the training: 0 for one process.
    """

    epoch: int
    train_loss: float
    learning_rate: float
    val_loss: float | None
    val: Scores | None
    epoch_s: float
    sample_s: float
    transfer_s: float
    compute_s: float
    eval_s: float
    wait_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """One line of runs.csv; what a run that failed did not reach stays empty.

    Scores are those of the weights with the best validation score. `train_loss` is that epoch's.
    `classes_never_predicted` counts classes that validation nodes have and no prediction has.
    `config_hash` covers every setting that scores depend on, except `seed`: rows that share it and
    `fingerprint` are repetitions of one experiment. Seconds depend on `device_name`, `num_threads`
    and `kernels_backend` as well. CUDA columns are empty on a CPU. `train_s` and `eval_s` sum up
    epochs.csv; the one evaluation on test nodes after them is in `wall_s` alone. Where processes
    share a run, times are those of rank 0, peaks of memory the largest of any. `wait_s` is the time
    in collectives and of waiting for other stages. `sent_mib` is what a process has sent for each
    step, on average. Energy is that of all processor packages, and of the GPU, in `wall_s`: what
    other programs draw is in it. It is empty where the counters cannot be read, see
    `redditgnn.runtime.energy`.
    """

    run_id: str
    started_at: str
    status: str
    error: str | None = None
    dataset: str
    model: str
    sampler: str
    experiment: str | None = None
    seed: int
    protocol: str
    fingerprint: str | None = None
    config_hash: str
    commit: str
    dirty: bool | None
    torch_version: str
    pyg_version: str
    device: str
    device_name: str
    num_threads: int | None = None
    kernels_backend: str | None = None
    num_parameters: int | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    train_loss: float | None = None
    val: Scores | None = None
    test: Scores | None = None
    classes_never_predicted: int | None = None
    load_s: float | None = None
    preprocess_s: float | None = None
    train_s: float | None = None
    eval_s: float | None = None
    wall_s: float | None = None
    epoch_median_s: float | None = None
    time_to_best_s: float | None = None
    sample_s: float | None = None
    transfer_s: float | None = None
    compute_s: float | None = None
    peak_cuda_allocated_mib: float | None = None
    peak_cuda_reserved_mib: float | None = None
    peak_rss_mib: float | None = None
    cpu_energy_j: float | None = None
    gpu_energy_j: float | None = None
    parallel: str | None = None
    processes: int | None = None
    backend: str | None = None
    batches_per_step: int | None = None
    wait_s: float | None = None
    sent_mib: float | None = None
    hyperparameters: str


def columns_of(kind: type[EpochRow] | type[RunRow] | type[HistoryRow]) -> list[str]:
    """Return the names of the columns of a kind of row, scores one by one."""
    return [column for field in fields(kind) for column in _columns(field)]


def cells_of(row: EpochRow | RunRow | HistoryRow) -> dict[str, Any]:
    """Return the value of each column; what is not known is None."""
    cells: dict[str, Any] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name in SPLITS:
            scores: Scores = value or {}
            cells |= {f"{field.name}_{name}": scores.get(name) for name in METRIC_NAMES}
        else:
            cells[field.name] = value
    return cells


def _columns(field: Field[Any]) -> Iterator[str]:
    if field.name in SPLITS:
        yield from (f"{field.name}_{name}" for name in METRIC_NAMES)
    else:
        yield field.name


COLUMNS = columns_of(RunRow)
REQUIRED = [field.name for field in fields(RunRow) if field.default is MISSING]
