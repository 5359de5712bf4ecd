"""Facts about a loaded graph that cost a pass over its edges or features, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from redditgnn.graph.data import GraphData
from redditgnn.graph.sparse_features import SparseFeatures

_BLOCK_EDGES = 1 << 22
_BLOCK_NUMBERS = 1 << 24


@dataclass(frozen=True, slots=True)
class EdgeStatistics:
    """What the ends of edges have in common. Weights play no role.

    Attributes:
        isolated: How many nodes have no edge in either direction.
        homophily: The share of edges whose ends have one class, of those whose ends have labels.
            None if there are none, or if a node has several labels.
        adjusted_homophily: `homophily` less what the degrees of the classes would give by chance,
            divided by 1 less that (Platonov et al. 2023, arXiv:2209.06177). Each edge counts as
            undirected. None where `homophily` is, and for a single class.
    """

    isolated: int
    homophily: float | None
    adjusted_homophily: float | None


def edge_statistics(graph: GraphData) -> EdgeStatistics:
    """Count over blocks of edges."""
    y = graph.y if graph.y.dim() == 1 else None
    num_same, ends = 0, torch.zeros(graph.num_classes, dtype=torch.int64)
    has_edge = graph.degree > 0
    for source, destination in _blocks(graph):
        has_edge[source] = True
        if y is not None:
            classes = torch.stack([y[source], y[destination]])
            classes = classes[:, (classes >= 0).all(0)]
            num_same += int((classes[0] == classes[1]).sum())
            ends += classes.reshape(-1).bincount(minlength=graph.num_classes)
    share, adjusted = _homophily(num_same, ends)
    return EdgeStatistics(int((~has_edge).sum()), share, adjusted)


def _blocks(graph: GraphData) -> Iterator[tuple[Int64[Tensor, " edges"], Int64[Tensor, " edges"]]]:
    """Yield the sources and destinations of all edges."""
    starts = torch.arange(0, graph.num_edges, _BLOCK_EDGES)
    limits = torch.searchsorted(graph.rowptr, starts).tolist()
    for first, end in pairwise(sorted({0, *limits, graph.num_nodes})):
        rowptr = graph.rowptr[first : end + 1]
        source = graph.col[rowptr[0] : rowptr[-1]].long()
        yield source, torch.arange(first, end).repeat_interleave(rowptr.diff())


def _homophily(num_same: int, ends: Int64[Tensor, " classes"]) -> tuple[float | None, float | None]:
    num_ends = int(ends.sum())
    if num_ends == 0:
        return None, None
    share = 2 * num_same / num_ends
    by_chance = float((ends / num_ends).square().sum())
    return share, (share - by_chance) / (1 - by_chance) if by_chance < 1 else None


def constant_features(graph: GraphData) -> Bool[Tensor, " features"]:
    """Tell which features are the same for all nodes."""
    x = graph.x
    if isinstance(x, SparseFeatures):
        return _constant_columns(x)
    constant = torch.ones(x.size(1), dtype=torch.bool)
    step = max(1, _BLOCK_NUMBERS // x.size(1))
    for start in range(0, graph.num_nodes, step):
        constant &= (x[start : start + step] == x[0]).all(0)
        if not constant.any():
            break
    return constant


def _constant_columns(x: SparseFeatures) -> Bool[Tensor, " features"]:
    """Tell which columns have no entry, or the same in every row."""
    column, values, width = x.csr.col.long(), x.values.float(), x.shape[1]
    number = torch.bincount(column, minlength=width)
    least = torch.zeros(width).scatter_reduce(0, column, values, "amin", include_self=False)
    most = torch.zeros(width).scatter_reduce(0, column, values, "amax", include_self=False)
    return (number == 0) | ((number == len(x)) & (least == most))
