"""One training run, from settings to a row of runs.csv."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import nn

from redditgnn.config import COMPONENTS, Settings, hash_of_config
from redditgnn.errors import ConfigError, DataError, OutOfMemory, RunFailed, UserError, require
from redditgnn.graph import GraphData, Sampler
from redditgnn.inference import Evaluator, ExactInference, precomputed, upkeep_of
from redditgnn.kernels.backend import use_backend
from redditgnn.measure import (
    Stopwatch,
    peak_cuda_mib,
    peak_rss_mib,
    reset_peak_cuda,
    reset_peak_rss,
)
from redditgnn.provenance import provenance
from redditgnn.recorder import (
    EpochRecorder,
    EpochRow,
    RunRow,
    append_run,
    check_columns,
    write_json,
)
from redditgnn.trainer import Trainer, Training

OUT_OF_MEMORY_SIGNS = ("can't allocate memory", "out of memory", "ALLOC_FAILED")


@dataclass
class Progress:
    """What is known of a run at any moment: the row that it leaves behind, whatever happens."""

    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[EpochRow] = field(default_factory=list)


def run(settings: Settings) -> tuple[RunRow, Path]:
    """Train and test one model; append the row to runs.csv and return it with that file's path.

    Raises:
        UserError: nothing was run, nothing recorded.
        RunFailed: the run ended early; its row says why.
    """
    settings.check()
    require(0 <= settings.seed < 2**63, f"seed must be in [0, 2**63), got {settings.seed}")
    device = resolve_device(settings.device)
    results_dir = Path(settings.results_dir)
    _make_folder("results_dir", results_dir)
    check_columns(results_dir)
    row = _row_at_start(settings, device)
    progress, start = Progress(), time.perf_counter()
    status, message = "failed", None
    try:
        with _memory_errors_named():
            _execute(settings, device, results_dir / "runs" / row.run_id, progress)
        status = "completed"
    except UserError:
        raise
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    except BaseException as error:
        status = error.status if isinstance(error, RunFailed) else "failed"
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        raise
    finally:
        if message or status in ("completed", "interrupted"):  # a mistake leaves no row
            facts = {**_timings(progress.rows), **progress.facts, **_peaks(device)}
            wall_s = time.perf_counter() - start  # no wait: the device may be what failed
            row = replace(row, status=status, error=message, wall_s=wall_s, **facts)
            path = append_run(row, results_dir)
    return row, path


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is CUDA where there is one."""
    available = torch.cuda.is_available()
    require(
        name != "cuda" or available,
        "device=cuda needs a CUDA device, and torch finds none; use device=auto or device=cpu",
    )
    return torch.device("cuda:0" if available and name != "cpu" else "cpu")


def _execute(settings: Settings, device: torch.device, folder: Path, progress: Progress) -> None:
    reset_peak_rss()
    trainer: Trainer = settings.build("trainer", device=device)
    with use_backend(settings.kernels.backend, device), trainer.in_effect():
        watch = Stopwatch(device)
        graph: GraphData = settings.build("dataset", Path(settings.data_dir))
        fingerprint = graph.fingerprint.of_a_run(settings.protocol)
        progress.facts.update(load_s=watch.seconds(), fingerprint=str(fingerprint))
        _train_and_test(settings, trainer, graph, device, folder, progress)


def _train_and_test(
    settings: Settings,
    trainer: Trainer,
    graph: GraphData,
    device: torch.device,
    folder: Path,
    progress: Progress,
) -> None:
    torch.manual_seed(settings.seed)
    reset_peak_cuda(device)
    watch = Stopwatch(device)
    seen = graph.induced(graph.train_mask) if settings.protocol == "inductive" else graph
    model: nn.Module = settings.build("model", seen.spec).to(device)
    seen, graph = _precomputed(model, seen, graph, device, trainer.eval_chunk_edges)
    sampler = _sampler(settings, seen, model, device)
    optimizer = settings.build("optimizer", model)
    scheduler = settings.build("scheduler", optimizer)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    progress.facts.update(preprocess_s=watch.seconds(), num_parameters=num_parameters)
    _make_folder("results_dir", folder)
    write_json({"settings": asdict(settings), **provenance(device)}, folder / "run.json")
    inference = ExactInference(
        graph, device, chunk_edges=trainer.eval_chunk_edges, precision=trainer.precision
    )
    evaluate = Evaluator(graph, inference)
    with closing(EpochRecorder(folder)) as recorder:
        upkeep = upkeep_of(sampler, graph, inference, recorder.record_histories)

        def record(row: EpochRow) -> None:
            recorder.record(row)
            progress.rows.append(row)

        training = trainer.fit(
            model, optimizer, scheduler, sampler, evaluate, folder / "best.pt", record, upkeep
        )
    progress.facts.update(_result(training))
    _, scores = evaluate(model, "test")
    progress.facts.update({f"test_{name}": value for name, value in scores._asdict().items()})


def _precomputed(
    model: nn.Module,
    seen: GraphData,
    graph: GraphData,
    device: torch.device,
    chunk_edges: int | None,
) -> tuple[GraphData, GraphData]:
    """Return what training sees and what is evaluated, with the features that `model` reads."""
    whole = precomputed(model, graph, device, chunk_edges)
    if seen is graph:
        return whole, whole
    return precomputed(model, seen, device, chunk_edges), whole


def _sampler(
    settings: Settings, graph: GraphData, model: nn.Module, device: torch.device
) -> Sampler:
    """Build the sampler over what training sees, and refuse a pair that would be wrong."""
    facts: dict[str, Any] = {
        "num_layers": model.num_layers,
        "device": device,
        "seed": settings.seed,
    }
    if not model.reads_edges and "num_neighbors" in settings.components["sampler"]:
        facts["num_neighbors"] = [1]  # the fewest that every sampler can draw
    sampler: Sampler = settings.build("sampler", graph, **facts)
    if model.whole_graph_only and sampler.has_halo:
        raise ConfigError(
            f"sampler={settings.choices['sampler']} would give wrong numbers: this convolution "
            "reads more than a node's own in-edges (degrees of its sources, or several hops), and "
            "the outermost nodes of a batch have none; use sampler=full, sampler=cluster or "
            "sampler=saint_rw"
        )
    return sampler


def _row_at_start(settings: Settings, device: torch.device) -> RunRow:
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


def _timings(rows: list[EpochRow]) -> dict[str, Any]:
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


def _result(training: Training) -> dict[str, Any]:
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


def _peaks(device: torch.device) -> dict[str, Any]:
    try:
        allocated, reserved = peak_cuda_mib(device)
    except RuntimeError:  # after a CUDA error every later call fails
        allocated, reserved = None, None
    return {
        "peak_cuda_allocated_mib": allocated,
        "peak_cuda_reserved_mib": reserved,
        "peak_rss_mib": peak_rss_mib(),
    }


@contextlib.contextmanager
def _memory_errors_named() -> Iterator[None]:
    """Turn the several ways in which memory runs out into `OutOfMemory`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(_out_of_memory_text(error)) from error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in OUT_OF_MEMORY_SIGNS):
            raise
        raise OutOfMemory(_out_of_memory_text(error)) from error


def _out_of_memory_text(error: BaseException) -> str:
    first = (str(error).splitlines() or ["no memory left"])[0]
    return (
        f"out of memory ({first}); lower model.hidden_channels, sampler.batch_size where there is "
        "one, or trainer.eval_chunk_edges if it was the evaluation"
    )


def _make_folder(key: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{key}={folder} cannot be written: {error.strerror}") from error
