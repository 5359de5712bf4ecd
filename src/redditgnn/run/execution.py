"""One training run, from settings to a row of runs.csv."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from redditgnn.config.settings import Settings
from redditgnn.distributed.team import Team, rank_zero_first
from redditgnn.errors import RunFailed, UserError
from redditgnn.evaluation.evaluator import Evaluator, history_refresh
from redditgnn.evaluation.exact import ExactInference
from redditgnn.evaluation.shared import SharedInference
from redditgnn.evaluation.temporal import TemporalEvaluator
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import estimate_sampler, in_one_line
from redditgnn.memory.out_of_memory import MemoryWatch, Phase
from redditgnn.optimizer import check_schedule
from redditgnn.parts import Parts
from redditgnn.prediction.facts import TrainingFacts
from redditgnn.record.ages import write_ages
from redditgnn.record.provenance import provenance
from redditgnn.record.recorder import EpochRecorder, prepare_record
from redditgnn.record.resume import RunFolder, identity
from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.run.batch_size import resolve_batch_size
from redditgnn.run.follower import Follower
from redditgnn.run.parallel import (
    describe_error,
    first_error_of,
    refuse_differences,
    resolve_parallel,
    shared_evaluation,
    starts_processes,
    team_of,
)
from redditgnn.run.row import (
    RunRecord,
    hyperparameters,
    row_at_start,
    with_best,
    with_coverage,
    with_traffic,
)
from redditgnn.run.update import ModelUpdate, updates_models
from redditgnn.runtime.measure import Stopwatch, reset_peak_cuda, reset_peak_rss
from redditgnn.runtime.memory import free_memory
from redditgnn.runtime.signals import Interruption
from redditgnn.sampler.base import BetweenEpochs, OwnsState, Resumable
from redditgnn.tracker.base import SafeTracker
from redditgnn.tracker.none import NoTracker
from redditgnn.trainer.checkpointing import NEVER, Checkpointer
from redditgnn.trainer.loop import TrainingResult
from redditgnn.trainer.running import Evaluate
from redditgnn.trainer.team_checkpointing import HaloCheckpointer, StageCheckpointer

log = logging.getLogger(__name__)


def run(settings: Settings) -> tuple[RunRow, Path]:
    """Train and test one model; append the row to runs.csv and return it with that file's path.

    A run of these settings that was killed is resumed.

    Raises:
        UserError: nothing was run, nothing recorded.
        RunFailed: the run ended early; its row says why.
        KeyboardInterrupt: a signal came; a checkpoint was written if the training had begun.
    """
    settings = resolve_batch_size(resolve_parallel(settings))
    settings.check()
    check_schedule(settings.components["scheduler"])
    if starts_processes(settings):
        from redditgnn.run.launched import launch

        return launch(settings)
    with team_of(settings) as (settings, team):
        return _run(settings, team)


def _run(settings: Settings, team: Team) -> tuple[RunRow, Path]:
    parts = Parts(settings, team=team)
    record = _record_of(settings, parts.device, team)
    with Interruption(lambda: record.record("interrupted")) as interruption:
        status, message = "failed", None
        try:
            memory = MemoryWatch(settings, parts.device)
            with first_error_of(team), memory.during(Phase.BUILDING):
                _execute(parts, record, interruption)
            status = "completed"
        except UserError:
            raise
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        except BaseException as error:
            status = error.status if isinstance(error, RunFailed) else "failed"
            message = describe_error(error)
            raise
        finally:
            with interruption.deferred():
                if message or status in ("completed", "interrupted"):  # a mistake leaves no row
                    record.record(status, message)
                record.release(status)
    assert record.path is not None
    return record.row, record.path


def _record_of(settings: Settings, device: torch.device, team: Team) -> RunRecord:
    """Return what keeps the row of the run: rank 0 writes it, and the others do not."""
    results_dir, row = Path(settings.results_dir), row_at_start(settings, device)
    if team.rank > 0:
        return Follower(row, results_dir, device, SafeTracker(NoTracker()), team)
    prepare_record(results_dir)
    return RunRecord(row, results_dir, device, SafeTracker(settings.build("tracker")), team)


def _execute(parts: Parts, record: RunRecord, interruption: Interruption) -> None:
    reset_peak_rss()
    with parts.in_effect():
        watch = Stopwatch(parts.device)
        loading = MemoryWatch(parts.settings, parts.device).during(Phase.LOADING)
        refuse_differences(record.team, _common_to_all(record.row))
        with loading, rank_zero_first(record.team):
            fingerprint = parts.graph.fingerprint.of_a_run(parts.settings.protocol_part)
        refuse_differences(record.team, {"fingerprint": str(fingerprint)})
        record.load_s = watch.seconds()
        record.row = replace(record.row, fingerprint=str(fingerprint), dataset=parts.graph.name)
        _train_and_test(parts, record, interruption)


def _common_to_all(row: RunRow) -> dict[str, Any]:
    """Return what all processes must have in common before they load the data."""
    keys = json.loads(row.hyperparameters)
    return {**keys, **{name: identity(row)[name] for name in ("seed", "source", "config_hash")}}


def _train_and_test(dataset: Parts, record: RunRecord, interruption: Interruption) -> None:
    """Train and test on the data of `dataset`, of which nothing else is built yet."""
    settings, device = dataset.settings, dataset.device
    torch.manual_seed(settings.seed)
    reset_peak_cuda(device)
    watch, memory = Stopwatch(device), MemoryWatch(settings, device)
    parts = dataset.with_precomputed_features()
    with _order_of_building(settings, record.team):
        memory.need = partial(estimate_sampler, dataset, parts.sampler)
    _tell_changes(parts, memory)
    _build_all(parts)
    record.preprocess_s = watch.seconds()
    record.row = replace(
        record.row,
        num_parameters=sum(parameter.numel() for parameter in parts.model.parameters()),
        hyperparameters=hyperparameters(settings, parts.components),
    )
    inference = inference_of(dataset, parts, record.team)
    evaluator = evaluator_of(dataset, parts, inference)
    shared = inference if isinstance(inference, SharedInference) else None
    evaluate = shared_evaluation(memory.evaluator(evaluator), shared, record.team)
    facts = TrainingFacts.of(dataset.train_graph).as_dict()
    folder = record.claim({"settings": asdict(settings), **provenance(device), "graph": facts})
    with closing(folder.recorder()) as recorder, interruption.deferred():
        refresh = history_refresh(parts.sampler, parts.graph, inference, recorder.record_histories)
        with memory.during(Phase.TRAINING, lambda: len(record.epochs) + 1):
            training = _train(parts, evaluate, refresh, folder, recorder, record, interruption)
    record.share_peaks()
    record.row = with_traffic(with_best(record.row, training), record.team, training.rows)
    if isinstance(evaluator, TemporalEvaluator) and updates_models(settings):
        evaluator.update = ModelUpdate(dataset, inference, memory, folder.folder)
    _, scores = evaluate(parts.model, "test")
    record.row = replace(record.row, test=scores)
    if record.team.rank == 0:
        _record_answers(evaluator, parts.graph, folder, record)


def _record_answers(
    evaluator: Evaluator | TemporalEvaluator, graph: GraphData, folder: RunFolder, record: RunRecord
) -> None:
    """Record what the test left in its evaluator besides the scores."""
    if isinstance(evaluator, TemporalEvaluator):
        write_ages(evaluator.ages, folder.folder)
    if evaluator.coverage is not None:
        record.row = with_coverage(record.row, evaluator.coverage)
        if evaluator.coverage.never:
            log.warning(evaluator.coverage.describe(graph.names.classes))


def evaluator_of(
    dataset: Parts, parts: Parts, inference: ExactInference
) -> Evaluator | TemporalEvaluator:
    """Return what scores the model, as the protocol says. `dataset` has features of its own."""
    if dataset.temporal is None:
        return Evaluator(parts.graph, inference)
    if updates_models(dataset.settings):
        dataset.temporal.check_updates()
    return TemporalEvaluator(dataset.temporal, inference, dataset.precomputed)


def inference_of(dataset: Parts, parts: Parts, team: Team) -> ExactInference:
    """Return exact inference on the graph that is evaluated; windows of time are not shared."""
    keywords: dict[str, Any] = {
        "chunk_edges": parts.trainer.eval_chunk_edges,
        "precision": parts.trainer.precision,
    }
    if team.size == 1 or dataset.temporal is not None:
        return ExactInference(parts.graph, parts.device, **keywords)
    return SharedInference(parts.graph, parts.device, team=team, **keywords)


def _order_of_building(settings: Settings, team: Team) -> AbstractContextManager[None]:
    """Let rank 0 build the sampler first, which fills the cache of the graph's parts.

    Ranks that train on parts tell each other what they read, so they build at the same time.
    """
    return nullcontext() if settings.parallel.is_partition else rank_zero_first(team)


def _build_all(parts: Parts) -> None:
    """Build what training needs now, so that its seconds count as preprocessing."""
    _ = parts.sampler, parts.scheduler, parts.class_weight


def _tell_changes(parts: Parts, memory: MemoryWatch) -> None:
    """Tell what surprises: a setting that the model overrules, and what attention needs."""
    model = parts.settings.choices["model"]
    for key, value in parts.components["sampler"].items():
        if value != parts.settings.components["sampler"][key]:
            log.info("model=%s reads no edges: sampler.%s=%s", model, key, value)
    if parts.model.attends and len(parts.sampler) == 1 and memory.need is not None:
        log.info(in_one_line(memory.need(), free_memory(parts.device)))


def _train(
    parts: Parts,
    evaluate: Evaluate,
    refresh: BetweenEpochs,
    folder: RunFolder,
    recorder: EpochRecorder,
    record: RunRecord,
    interruption: Interruption,
) -> TrainingResult:
    """Train, with a line on disk for each epoch and checkpoints in between."""

    def spent() -> dict[str, Any]:
        recorder.sync()  # a checkpoint counts on the lines before it
        return asdict(record.spent())

    def record_epoch(row: EpochRow) -> None:
        recorder.record(row)
        record.end_epoch(row)

    checkpointer = _checkpointer(parts, folder, interruption, spent, record.team)
    return parts.trainer.fit(
        parts.model,
        parts.optimizer,
        parts.scheduler,
        parts.sampler,
        evaluate,
        folder.folder / "best.pt",
        record_epoch,
        refresh,
        checkpointer,
        parts.class_weight,
        record.team,
        parts.settings.seed,
        parts.stages,
    )


def _checkpointer(
    parts: Parts,
    folder: RunFolder,
    interruption: Interruption,
    spent: Callable[[], dict[str, Any]],
    team: Team,
) -> Checkpointer:
    """Return what keeps the state of the training: rank 0 writes it, and others their own part."""
    sampler, stages = parts.sampler, parts.stages
    owner = sampler if isinstance(sampler, OwnsState) and sampler.owns_state else None
    writes = team.rank == 0 or stages is not None or owner is not None
    # Of other samplers nobody knows what they will draw next.
    cadence = parts.trainer.cadence if writes and isinstance(sampler, Resumable) else NEVER
    place = folder.checkpoint, cadence, interruption, spent, folder.resumed_from
    if stages is not None:
        return StageCheckpointer(*place, team=team)
    if owner is not None:
        return HaloCheckpointer(*place, team=team, sampler=owner)
    return Checkpointer(*place)
