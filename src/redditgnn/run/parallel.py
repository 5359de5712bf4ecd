"""How a run is shared by processes: what its settings mean here, and what they cannot mean."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from torch import nn

from redditgnn.config.settings import Settings
from redditgnn.distributed.environment import Place, place_of
from redditgnn.distributed.joining import join_team
from redditgnn.distributed.reports import Report
from redditgnn.distributed.team import Alone, Team
from redditgnn.errors import ConfigError, RunFailed, TeamFailed, UserError, require
from redditgnn.evaluation.shared import SharedInference
from redditgnn.graph.data import Split
from redditgnn.metric.base import Scores
from redditgnn.model.base import LayeredModel
from redditgnn.run.pipeline import resolve_pipeline
from redditgnn.runtime.duration import seconds_of
from redditgnn.runtime.hardware import resolve_device
from redditgnn.trainer.running import Evaluate

log = logging.getLogger(__name__)
TIMEOUT = "parallel.timeout"
BATCHES = "batches_per_step"
REFUSED = "refused"  # a mistake of the user's, which leaves no row


def resolve_parallel(settings: Settings) -> Settings:
    """Return `settings` with the numbers that `auto` and an unset `batches_per_step` mean here.

    Raises:
        ConfigError: the processes cannot share such a run.
    """
    parallel = settings.parallel
    if parallel.is_none:
        _refuse_repetition()
        return settings
    seconds_of(TIMEOUT, parallel.timeout)
    processes = _num_processes(settings)
    parallel = replace(parallel, processes=processes, backend=_backend(settings, processes))
    settings = replace(settings, parallel=parallel)
    if parallel.is_pipeline:
        return resolve_pipeline(settings, processes)
    if parallel.is_partition:
        _refuse_but_whole_graph(settings)
        return settings
    if processes > 1:
        _refuse_sampler(settings)
    return _with_batches_per_step(settings, processes)


def _refuse_repetition() -> None:
    """Refuse processes of torchrun that would all train the same model.

    Tasks of SLURM may do so: a shell on several nodes is such a task.
    """
    place = place_of(os.environ)
    size = 1 if place is None or "WORLD_SIZE" not in os.environ else place.size
    require(
        size == 1,
        f"parallel=none would train the same model in each of the {size} processes that the "
        "launcher has started; add parallel=data, or start one process",
    )


def starts_processes(settings: Settings) -> bool:
    """Whether the run needs processes that nobody has started yet."""
    return settings.parallel.processes != 1 and place_of(os.environ) is None


def speaks(settings: Settings) -> bool:
    """Whether this process prints what the run gives: one of them does."""
    place = place_of(os.environ)
    return settings.parallel.is_none or place is None or place.rank == 0


@contextmanager
def team_of(settings: Settings) -> Iterator[tuple[Settings, Team]]:
    """Join the processes of the run; give the settings of this one, and leave in the end."""
    parallel, place = settings.parallel, place_of(os.environ)
    assert parallel.processes != "auto"
    if parallel.is_none or parallel.processes == 1 or place is None:
        yield settings, Alone()
        return
    settings = replace(settings, device=_device_of(place, resolve_device(settings.device)))
    timeout_s = seconds_of(TIMEOUT, parallel.timeout)
    team = join_team(place, backend=parallel.backend, timeout_s=timeout_s)
    try:
        yield settings, team
    finally:
        team.close()


def _num_processes(settings: Settings) -> int:
    parallel, place = settings.parallel, place_of(os.environ)
    if place is not None:
        require(
            parallel.processes in ("auto", place.size),
            f"parallel.processes must be {place.size}, as many as the launcher has started, got "
            f"{parallel.processes}; leave it out",
        )
        return place.size
    if parallel.processes == "auto":
        count = torch.cuda.device_count() if resolve_device(settings.device).type == "cuda" else 0
        require(
            count > 0,
            "parallel.processes=auto counts the GPUs of this machine, and there is none for "
            f"device={settings.device}; give a number, such as parallel.processes=2",
        )
        return count
    cores = os.cpu_count() or 1
    if parallel.processes > cores:
        log.warning("%d processes share %d cores: fewer are faster", parallel.processes, cores)
    return parallel.processes


def _backend(settings: Settings, processes: int) -> Literal["gloo", "nccl"]:
    """Return `gloo` or `nccl`, which needs a GPU for each process of a machine."""
    device, chosen = resolve_device(settings.device), settings.parallel.backend
    require(
        processes == 1 or ":" not in settings.device,
        f"device={settings.device} is one GPU, and each of {processes} processes takes its own; "
        "use device=cuda, and choose GPUs with the variable CUDA_VISIBLE_DEVICES",
    )
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    place = place_of(os.environ)
    here = processes if place is None else int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    require(
        chosen != "nccl" or gpus >= here,
        f"parallel.backend=nccl needs a GPU for each of {here} processes, and {gpus} can be used "
        f"with device={settings.device}; use parallel.backend=gloo",
    )
    if chosen != "auto":
        return chosen
    return "nccl" if gpus >= here and torch.distributed.is_nccl_available() else "gloo"


def _refuse_sampler(settings: Settings) -> None:
    """Refuse a sampler whose batches cannot be built apart from each other."""
    name, sampler = settings.choices["sampler"], settings.component("sampler")
    if hasattr(sampler, "select"):
        return
    reason = "it builds each batch after the one before"
    if hasattr(sampler, "listener"):
        reason = "a batch reads the histories that the batches before it have written"
    raise ConfigError(
        f"parallel={settings.parallel.name} cannot share sampler={name}: {reason}; use "
        "sampler=neighbor, cluster or saint_rw, or parallel=none"
    )


def _refuse_but_whole_graph(settings: Settings) -> None:
    """Refuse what training on parts of the whole graph cannot have."""
    trainer, sampler = settings.components["trainer"], settings.choices["sampler"]
    require(
        sampler == "full",
        f"parallel=partition trains on the whole graph in each step, got sampler={sampler}; use "
        "sampler=full, or parallel=data",
    )
    require(
        trainer.get(BATCHES) in (None, 1),
        f"parallel=partition has one step an epoch, got trainer.{BATCHES}={trainer.get(BATCHES)}; "
        "leave it out",
    )
    require(
        not trainer.get("compile"),
        "trainer.compile=true cannot generate code for what processes send each other; use "
        "trainer.compile=false with parallel=partition",
    )


def _with_batches_per_step(settings: Settings, processes: int) -> Settings:
    trainer = settings.components["trainer"]
    if BATCHES not in trainer or processes == 1:
        return settings
    count = trainer[BATCHES]
    require(
        count is None or count >= processes,
        f"trainer.{BATCHES} must be at least parallel.processes={processes}, so that no process "
        f"is idle, got {count}; leave it out, or lower parallel.processes",
    )
    if count is not None:
        return settings
    log.info(
        "trainer.%s=%d: a step is the mean over a batch of each process, and optimizer.lr is as "
        "given",
        BATCHES,
        processes,
    )
    components = {**settings.components, "trainer": {**trainer, BATCHES: processes}}
    return replace(settings, components=components)


def _device_of(place: Place, device: torch.device) -> str:
    """Return the device of this process: GPUs are dealt to those of a machine in turn."""
    if device.type != "cuda":
        return device.type
    return f"cuda:{place.local_rank % torch.cuda.device_count()}"


@contextmanager
def first_error_of(team: Team) -> Iterator[None]:
    """Raise the error of the process that ended first, where another error only follows from it.

    The first error of this process is reported to the others.
    """
    try:
        yield
    except TeamFailed as error:
        report = team.first_report()
        if report is None:
            raise
        raise _error_of(report) from error
    except KeyboardInterrupt:
        team.report("interrupted", "interrupted")
        raise
    except BaseException as error:
        if isinstance(error, UserError):
            team.report(REFUSED, str(error))
        else:
            status = error.status if isinstance(error, RunFailed) else "failed"
            team.report(status, describe_error(error))
        raise


def describe_error(error: BaseException) -> str:
    """Return the first line of an error, after its kind."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _error_of(report: Report) -> BaseException:
    if report.status == "interrupted":
        return KeyboardInterrupt()
    if report.status == REFUSED:
        return UserError(report.text)
    error = TeamFailed(f"process {report.rank}: {report.text}")
    error.status = report.status
    return error


def refuse_differences(team: Team, own: dict[str, Any]) -> None:
    """Refuse a process whose configuration, seed or code is not that of rank 0.

    Raises:
        ConfigError: names the first difference.
    """
    first = team.broadcast(own)
    for name, value in own.items():
        require(
            value == first[name],
            f"process {team.rank} has another {name} than process 0 ({value}, not {first[name]}); "
            "start all of them with the same command and the same code",
        )


def shared_evaluation(
    evaluate: Evaluate, inference: SharedInference | None, team: Team
) -> Evaluate:
    """Return `evaluate` as all processes call it: they get the scores of rank 0.

    Where they cannot share the chunks of `inference`, rank 0 evaluates alone.
    """
    if team.size == 1:
        return evaluate

    def shared(model: nn.Module, split: Split) -> tuple[float, Scores]:
        together = inference is not None and inference.is_shared(cast(LayeredModel, model))
        evaluates, traffic = together or team.rank == 0, replace(team.traffic)
        scores = evaluate(model, split) if evaluates else (math.nan, {})
        team.traffic = traffic  # of the steps alone
        return team.broadcast(scores)

    return shared
