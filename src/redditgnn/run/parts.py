"""Putting the parts of a run together: the device, and a sampler that suits the model."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, require
from redditgnn.evaluation.exact import precomputed
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import estimate_sampler, told
from redditgnn.memory.out_of_memory import MemoryWatch
from redditgnn.runtime.memory import free_memory
from redditgnn.sampler.base import Sampler
from redditgnn.trainer.loop import Trainer

log = logging.getLogger(__name__)


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is CUDA where there is one."""
    available = torch.cuda.is_available()
    require(
        name != "cuda" or available,
        "device=cuda needs a CUDA device, and torch finds none; use device=auto or device=cpu",
    )
    return torch.device("cuda:0" if available and name != "cpu" else "cpu")


def seen_in_training(settings: Settings, graph: GraphData) -> GraphData:
    """Return what training sees of `graph`, as the protocol says."""
    return graph.induced(graph.train_mask) if settings.protocol == "inductive" else graph


def build_sampler(
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


class _Parts(NamedTuple):
    """What a run is made of; `graph` is what is evaluated."""

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    sampler: Sampler
    graph: GraphData
    memory: MemoryWatch


def _assembled(
    settings: Settings, trainer: Trainer, graph: GraphData, device: torch.device
) -> _Parts:
    """Build what is trained, and what it is trained with."""
    seen = seen_in_training(settings, graph)
    memory = MemoryWatch(settings, device)
    need = partial(estimate_sampler, settings, trainer, seen, graph)  # of graphs as they are now
    model: nn.Module = settings.build("model", seen.spec).to(device)
    seen, graph = _precomputed(model, seen, graph, device, trainer.eval_chunk_edges)
    sampler = build_sampler(settings, seen, model, device)
    memory.need = partial(need, sampler, device)
    if model.attends and len(sampler) == 1:  # what unfused attention needs is known to surprise
        log.info(told(memory.need(), free_memory(device)))
    optimizer = settings.build("optimizer", model)
    scheduler = settings.build("scheduler", optimizer)
    return _Parts(model, optimizer, scheduler, sampler, graph, memory)


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
