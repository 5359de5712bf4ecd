"""Ours and the peers' layers compute the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from redditgnn.graph.data import GraphData
from scripts.bench.cases.layer_works import KINDS, LayerWork
from scripts.bench.cases.layers import LayerCase
from scripts.bench.peers.layers import SIDES, available_sides
from scripts.bench.peers.reference import errors_of
from scripts.bench.timing.memory import CPU

MakeGraph = Callable[..., GraphData]


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # of PyG's GCNConv
@pytest.mark.parametrize("kind", KINDS)
def test_every_side_computes_the_same_layer(kind: str, make_graph: MakeGraph) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    work = LayerWork(name="w", kind=kind, in_channels=6, heads=1, channels=8)
    for side in available_sides(kind):
        case = LayerCase(work, graph, CPU)
        case.mask_cotangent()
        out = case.forward_backward(SIDES[side](case))
        output_error, gradient_error = errors_of(case, out)
        assert output_error < 1e-5, side
        assert gradient_error is not None
        assert gradient_error < 1e-5, side
