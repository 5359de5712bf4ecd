"""What surrounds a node: degree, homophily, distance to training nodes, and bins of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64
from numpy import ndarray
from torch import Tensor

from redditgnn.evaluation.exact import chunk_rows
from redditgnn.graph.csr import gather_rows
from redditgnn.graph.data import GraphData

NUM_BINS = 5
FARTHEST = 5  # hops; those beyond count as one
EDGES_AT_ONCE = 2**24


class Neighborhoods:
    """Facts about each node of a graph that tell easy nodes from hard ones.

    Attributes:
        degree: Number of in-neighbours.
        homophily: Share of the in-neighbours with a label that have the node's own. NaN without
            any, and where nodes carry several labels.
        distance: Hops from the nearest training node, along the edges. -1: none reaches it.
    """

    def __init__(self, graph: GraphData) -> None:
        self.degree = graph.degree.numpy()
        self.homophily = _local_homophily(graph)
        self.distance = _distance(graph, graph.train_mask)


def quantile_bins(values: Int64[ndarray, " nodes"]) -> pd.Categorical:
    """Put integers into at most `NUM_BINS` ranges of about as many nodes each."""
    quantiles = np.quantile(values, np.linspace(0, 1, NUM_BINS + 1)[1:-1], method="higher")
    starts = np.unique([values.min(), *quantiles])
    stops = [*(starts[1:] - 1), values.max()]
    names = [f"{a}" if a == b else f"{a} to {b}" for a, b in zip(starts, stops, strict=True)]
    return pd.Categorical.from_codes(np.searchsorted(starts, values, side="right") - 1, names)


def equal_bins(shares: Float[ndarray, " nodes"]) -> pd.Categorical:
    """Put shares into `NUM_BINS` equal parts of [0, 1]. NaN has a bin of its own."""
    edges = [f"{100 * i // NUM_BINS}%" for i in range(NUM_BINS + 1)]
    names = [f"{a} to {b}" for a, b in zip(edges, edges[1:], strict=False)]
    codes = np.minimum(np.nan_to_num(shares) * NUM_BINS + 1e-9, NUM_BINS - 1).astype(int)
    return pd.Categorical.from_codes(
        np.where(np.isnan(shares), NUM_BINS, codes), [*names, "unknown"]
    )


def distance_bins(hops: Int64[ndarray, " nodes"]) -> pd.Categorical:
    """Name the numbers of hops. Those above `FARTHEST` are one bin, unreachable nodes another."""
    names = [*map(str, range(FARTHEST + 1)), f"more than {FARTHEST}", "not reached"]
    codes = np.where(hops < 0, FARTHEST + 2, np.minimum(hops, FARTHEST + 1))
    return pd.Categorical.from_codes(codes, names)


def _pieces(graph: GraphData) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (destination, source) of all edges, some rows at a time."""
    for node_ids in chunk_rows(graph.rowptr, EDGES_AT_ONCE):
        rows, col = gather_rows(graph.rowptr, graph.col, node_ids)
        yield node_ids[rows], col.long()


def _local_homophily(graph: GraphData) -> Float[ndarray, " nodes"]:
    if graph.y.dim() == 2:
        return np.full(graph.num_nodes, np.nan)
    equal, known = torch.zeros(2, graph.num_nodes, dtype=torch.float64)
    for row, col in _pieces(graph):
        labelled = (graph.y[col] >= 0) & (graph.y[row] >= 0)
        known.index_add_(0, row, labelled.double())
        equal.index_add_(0, row, (labelled & (graph.y[col] == graph.y[row])).double())
    return (equal / known).numpy()


def _distance(graph: GraphData, start: Bool[Tensor, " nodes"]) -> Int64[ndarray, " nodes"]:
    hops = torch.where(start, 0, -1)
    for hop in range(1, graph.num_nodes):
        frontier, reached = hops == hop - 1, torch.zeros_like(start)
        for row, col in _pieces(graph):
            reached[row[frontier[col]]] = True
        new = reached & (hops < 0)
        if not new.any():
            break
        hops[new] = hop
    return hops.numpy()
