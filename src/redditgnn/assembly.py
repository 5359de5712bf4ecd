"""Putting the parts of a run together: the device, and a sampler that suits the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from redditgnn.config import Settings
from redditgnn.errors import ConfigError, require
from redditgnn.graph import GraphData, Sampler


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
