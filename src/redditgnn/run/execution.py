"""One training run, from settings to a row of runs.csv."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from redditgnn.config.settings import Settings
from redditgnn.errors import RunFailed, UserError
from redditgnn.evaluation.evaluator import Evaluator, upkeep_of
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.kernels.backend import use_backend
from redditgnn.memory.out_of_memory import MemoryWatch, Phase
from redditgnn.optimizer import check_schedule
from redditgnn.record.provenance import provenance
from redditgnn.record.recorder import EpochRecorder, prepare_record
from redditgnn.record.resume import Claim
from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.run.batch_size import resolved
from redditgnn.run.parts import _assembled, _Parts, resolve_device
from redditgnn.run.row import RunEntry, result, row_at_start
from redditgnn.runtime.measure import Stopwatch, reset_peak_cuda, reset_peak_rss
from redditgnn.runtime.signals import Interruption
from redditgnn.sampler.base import BetweenEpochs, Resumable
from redditgnn.tracker.base import Guarded
from redditgnn.trainer.checkpointing import NEVER, Keeper
from redditgnn.trainer.loop import Evaluate, Trainer, Training

log = logging.getLogger(__name__)


def run(settings: Settings) -> tuple[RunRow, Path]:
    """Train and test one model; append the row to runs.csv and return it with that file's path.

    A run of these settings that was killed is gone on with.

    Raises:
        UserError: nothing was run, nothing recorded.
        RunFailed: the run ended early; its row says why.
        KeyboardInterrupt: a signal came; a checkpoint was written if the training had begun.
    """
    settings = resolved(settings)
    settings.check()
    check_schedule(settings.components["scheduler"])
    device = resolve_device(settings.device)
    results_dir = Path(settings.results_dir)
    prepare_record(results_dir)
    tracker = Guarded(settings.build("tracker"))
    entry = RunEntry(row_at_start(settings, device), results_dir, device, tracker)
    with Interruption(lambda: entry.record("interrupted")) as interruption:
        status, message = "failed", None
        try:
            with MemoryWatch(settings, device).during(Phase.BUILDING):
                _execute(settings, device, entry, interruption)
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
            with interruption.deferred():
                if message or status in ("completed", "interrupted"):  # a mistake leaves no row
                    entry.record(status, message)
                entry.release(status)
    assert entry.path is not None
    return entry.row, entry.path


def _execute(
    settings: Settings, device: torch.device, entry: RunEntry, interruption: Interruption
) -> None:
    reset_peak_rss()
    trainer: Trainer = settings.build("trainer", device=device)
    with use_backend(settings.kernels.backend, device), trainer.in_effect():
        watch = Stopwatch(device)
        with MemoryWatch(settings, device).during(Phase.LOADING):
            graph: GraphData = settings.build("dataset", Path(settings.data_dir))
        fingerprint = graph.fingerprint.of_a_run(settings.protocol)
        entry.facts.update(load_s=watch.seconds(), fingerprint=str(fingerprint))
        _train_and_test(settings, trainer, graph, device, entry, interruption)


def _train_and_test(
    settings: Settings,
    trainer: Trainer,
    graph: GraphData,
    device: torch.device,
    entry: RunEntry,
    interruption: Interruption,
) -> None:
    torch.manual_seed(settings.seed)
    reset_peak_cuda(device)
    watch = Stopwatch(device)
    parts = _assembled(settings, trainer, graph, device)
    num_parameters = sum(parameter.numel() for parameter in parts.model.parameters())
    entry.facts.update(preprocess_s=watch.seconds(), num_parameters=num_parameters)
    inference = ExactInference(
        parts.graph, device, chunk_edges=trainer.eval_chunk_edges, precision=trainer.precision
    )
    evaluate = parts.memory.evaluator(Evaluator(parts.graph, inference))
    claimed = entry.claim({"settings": asdict(settings), **provenance(device)})
    with closing(claimed.recorder()) as recorder, interruption.deferred():
        upkeep = upkeep_of(parts.sampler, parts.graph, inference, recorder.record_histories)
        training = _trained(
            trainer, parts, evaluate, upkeep, claimed, recorder, entry, interruption
        )
    entry.facts.update(result(training))
    _, scores = evaluate(parts.model, "test")
    entry.facts.update({f"test_{name}": value for name, value in scores._asdict().items()})


def _trained(
    trainer: Trainer,
    parts: _Parts,
    evaluate: Evaluate,
    upkeep: BetweenEpochs,
    claimed: Claim,
    recorder: EpochRecorder,
    entry: RunEntry,
    interruption: Interruption,
) -> Training:
    """Train, with a line on disk for each epoch and checkpoints in between."""

    def facts() -> dict[str, Any]:
        recorder.sync()  # a checkpoint counts on the lines before it
        return entry.spent()

    def record(row: EpochRow) -> None:
        recorder.record(row)
        entry.rows.append(row)
        entry.tracker.epoch(row)

    # Of other samplers nobody knows what they will draw next.
    cadence = trainer.cadence if isinstance(parts.sampler, Resumable) else NEVER
    keeper = Keeper(claimed.checkpoint, cadence, interruption, facts, claimed.found)
    with parts.memory.during(Phase.TRAINING, lambda: len(entry.rows) + 1):
        return trainer.fit(
            parts.model,
            parts.optimizer,
            parts.scheduler,
            parts.sampler,
            evaluate,
            claimed.folder / "best.pt",
            record,
            upkeep,
            keeper,
        )
