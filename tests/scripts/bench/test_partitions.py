"""The bench of partitions: edges cut, and the three ways to make parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from redditgnn.graph.data import GraphData
from scripts.bench.partitions import SIDES, cut_share, make_parts


def test_edges_within_parts_are_not_cut_and_edges_between_them_are(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph()
    everything = torch.arange(graph.num_nodes)
    assert cut_share(graph, [everything]) == 0
    assert cut_share(graph, list(everything.split(1))) == 1
    halves = [everything[:10], everything[10:]]
    rows = everything.repeat_interleave(graph.degree)
    expected = ((rows < 10) != (graph.col < 10)).double().mean()
    assert cut_share(graph, halves) == pytest.approx(float(expected))


@pytest.mark.parametrize("side", SIDES)
def test_every_node_is_in_one_part(side: str, make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=60, num_edges=300)
    parts = make_parts(graph, 4, side)
    assert torch.cat(parts).sort().values.tolist() == list(range(60))
