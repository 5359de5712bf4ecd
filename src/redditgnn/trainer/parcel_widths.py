"""The widths of what travels between two stages of a pipeline."""

from __future__ import annotations

import torch

from redditgnn.distributed.parcel import Parcels
from redditgnn.graph.data import GraphData
from redditgnn.model.base import Backbone
from redditgnn.sampler.base import GivesChunks
from redditgnn.sampler.subgraph import subgraph_batch


def largest_parcel(model: Backbone, sampler: GivesChunks, device: torch.device) -> int:
    """Return the most numbers that a stage sends for a chunk."""
    widths = parcel_widths(model, sampler.graph, device)[:-1]
    return max(Parcels(sampler.most_targets, both, device, device).size for both in widths)


@torch.no_grad()
def parcel_widths(model: Backbone, graph: GraphData, device: torch.device) -> list[tuple[int, ...]]:
    """Return the widths of what layers after each one read, by computing one node alone."""
    node, was_training = torch.zeros(1, dtype=torch.int64), model.training
    batch = subgraph_batch(
        graph,
        node,
        torch.zeros(2, dtype=torch.int64),
        torch.empty(0, dtype=torch.int32),
        num_layers=model.num_layers,
        loss_weight=torch.ones(1),
        degree=torch.zeros(1, dtype=torch.int64),
        edge_weight=None if graph.edge_weight is None else torch.empty(0),
    ).to(device)
    model.eval()
    h = h0 = model.encode(batch.features)
    encoded = (h0.shape[1],) if model.reads_h0 else ()
    widths: list[tuple[int, ...]] = []
    for index in range(model.num_layers):
        h = model.layer(index, h, batch.block(index), h0)
        widths.append((h.shape[1], *encoded))
    model.train(was_training)
    return widths
