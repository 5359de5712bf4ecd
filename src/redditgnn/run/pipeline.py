"""What `parallel=pipeline` makes of the settings of a run, and what it cannot do."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import torch

from redditgnn.config.settings import Settings
from redditgnn.distributed.environment import place_of
from redditgnn.distributed.stages import Stages
from redditgnn.errors import require
from redditgnn.graph.data import GraphSpec
from redditgnn.model.base import Backbone

BATCHES = "batches_per_step"
ANY_GRAPH = GraphSpec(num_nodes=2, num_features=2, num_classes=2, multi_label=False)
REFUSED = {  # of the sampler and the trainer: value that is possible, and why no other
    "sampler.lipschitz_weight": (0, "the penalty reads all layers at once"),
    "sampler.log_staleness": (False, "no process has the histories of all layers"),
    "trainer.precision": ("fp32", "states travel in float32"),
    "trainer.compile": (False, "no process has all layers"),
}

log = logging.getLogger(__name__)


def resolve_pipeline(settings: Settings, processes: int) -> Settings:
    """Return `settings` with the number of chunks that an unset `batches_per_step` means.

    Raises:
        ConfigError: the layers of such a run cannot be computed in turn.
    """
    _refuse_sampler(settings)
    settings = _with_chunks(settings)
    if processes > 1:
        _refuse_values(settings)
        _check_steps(settings, _stages(settings, processes))
    return settings


def _refuse_sampler(settings: Settings) -> None:
    name, values = settings.choices["sampler"], settings.components["sampler"]
    require(
        values.get("batch_size") != "auto",
        "parallel=pipeline cannot try sampler.batch_size=auto, which needs all layers; give the "
        "number of parts in a chunk",
    )
    require(
        hasattr(settings.component("sampler"), "most_targets"),
        f"parallel=pipeline reads nodes of other chunks from histories, got sampler={name}; use "
        "sampler=gas, or parallel=data",
    )


def _with_chunks(settings: Settings) -> Settings:
    """Let a step take all chunks of the epoch where nothing is said."""
    sampler, trainer = settings.components["sampler"], settings.components["trainer"]
    if trainer.get(BATCHES) is not None or "num_parts" not in sampler:
        return settings
    count = -(-sampler["num_parts"] // max(1, sampler["batch_size"]))
    count = min(count, sampler.get("max_steps") or count)
    log.info("trainer.%s=%d: a step is the mean over all chunks of the epoch", BATCHES, count)
    components = {**settings.components, "trainer": {**trainer, BATCHES: count}}
    return replace(settings, components=components)


def _refuse_values(settings: Settings) -> None:
    for key, (possible, reason) in REFUSED.items():
        group, name = key.split(".")
        value = settings.components[group].get(name, possible)
        allowed = (possible, "tf32") if possible == "fp32" else (possible,)
        require(
            value in allowed,
            f"parallel=pipeline needs {key}={_written(possible)}, got {_written(value)}: {reason}",
        )


def _stages(settings: Settings, processes: int) -> Stages:
    """Return how the processes cut the model, which is built for that on an imagined graph."""
    with torch.random.fork_rng([]):
        model: Backbone = settings.build("model", ANY_GRAPH)
    name = settings.choices["model"]
    require(
        isinstance(model, Backbone),
        f"parallel=pipeline cuts models that are a Backbone, got model={name}; use parallel=none",
    )
    require(
        not model.reads_every_layer,
        "no process of parallel=pipeline has the outputs of all layers, which model.jk="
        f"{settings.components['model'].get('jk')} reads; use model.jk=null or last",
    )
    return Stages(model.num_layers, processes, settings.parallel.schedule)


def _check_steps(settings: Settings, stages: Stages) -> None:
    count = settings.components["trainer"].get(BATCHES) or 1
    require(
        count > 1,
        f"parallel=pipeline needs steps of several chunks, or one process works at a time, got "
        f"trainer.{BATCHES}={count}; raise it, and sampler.num_parts / sampler.batch_size",
    )
    if count < stages.size and place_of(os.environ) is None:  # processes do not repeat it
        log.warning(
            "trainer.%s=%d is below parallel.processes=%d: each process is idle for %.0f%% of a "
            "step",
            *(BATCHES, count, stages.size, 100 * stages.bubble(count)),
        )


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
