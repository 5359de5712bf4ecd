"""Whether a graph is undirected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from redditgnn.graph import undirected
from redditgnn.graph.data import GraphData


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    ("weight", "expected"), [(None, True), ([2, 3, 2, 3], True), ([2, 3, 2, 4], False)]
)
def test_a_reverse_needs_the_same_weight(
    weight: list[float] | None,
    expected: bool,
    compiled: bool,
    make_graph: Callable[..., GraphData],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undirected, "numba_works", lambda: compiled)
    path = replace(  # 0 - 1 - 2, by destination
        make_graph(num_nodes=3, num_edges=2),
        rowptr=torch.tensor([0, 1, 3, 4]),
        col=torch.tensor([1, 0, 2, 1], dtype=torch.int32),
        edge_weight=None if weight is None else torch.tensor(weight)[[0, 2, 1, 3]].float(),
    )
    assert undirected.is_undirected(path) == expected


def test_an_undirected_graph_is_not_copied(make_graph: Callable[..., GraphData]) -> None:
    path = replace(  # 0 - 1 - 2
        make_graph(num_nodes=3, num_edges=2),
        rowptr=torch.tensor([0, 1, 3, 4]),
        col=torch.tensor([1, 0, 2, 1], dtype=torch.int32),
        edge_weight=torch.tensor([1.0, 2.0, 3.0, 4.0]),
    )
    rowptr, col = undirected.symmetric_csr(path)
    assert rowptr.ctypes.data == path.rowptr.data_ptr()
    assert col.ctypes.data == path.col.data_ptr()
