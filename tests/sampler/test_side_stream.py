"""Batches made on another stream, as far as a CPU can tell."""

from __future__ import annotations

from collections.abc import Callable

import torch

from redditgnn.graph.data import GraphData
from redditgnn.sampler.full import FullSampler
from redditgnn.sampler.neighbor import NeighborSampler
from redditgnn.sampler.side_stream import SideStream, batch_tensors

CPU = torch.device("cpu")


def test_on_a_cpu_batches_are_passed_on(make_graph: Callable[..., GraphData]) -> None:
    batches = list(FullSampler(make_graph(), num_layers=2, device=CPU, seed=0, cuda_graph=False))
    passed = list(SideStream(CPU).build(iter(batches)))
    assert [id(batch) for batch in passed] == [id(batch) for batch in batches]


def test_every_tensor_of_a_batch_is_known_to_the_stream_that_uses_it(
    make_graph: Callable[..., GraphData],
) -> None:
    sampler = NeighborSampler(
        make_graph(),
        num_layers=2,
        device=CPU,
        seed=0,
        num_neighbors=[3, 2],
        batch_size=4,
        feature_tier="auto",
        pack_gib=None,
    )
    batch = next(iter(sampler))
    known = {tensor.data_ptr() for tensor in batch_tensors(batch)}
    assert batch.features.node_ids is not None
    names = ("y", "loss_weight", "node_ids", "rowptr", "col", "degree", "row_scale")
    for tensor in (batch.features.node_ids, *(getattr(batch, name) for name in names)):
        assert tensor.data_ptr() in known
