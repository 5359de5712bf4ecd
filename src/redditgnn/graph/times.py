"""Times of a graph: the time of each edge, and the graph of one window.

An edge exists from its own time on, and not before both of its nodes do. So its time is the latest
of `edge_time` and the `node_time` of its two nodes, as far as the graph has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from torch import Tensor

from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint, short_hash
from redditgnn.graph.timeline import Times, Window, no_times_error

_BLOCK_EDGES = 1 << 24  # whose times are held at once


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The graph of a window.

    Attributes:
        graph: All nodes with their ids, and the edges of the window.
        active: The nodes that have such an edge, or came in the window.
    """

    graph: GraphData
    active: Bool[Tensor, " nodes"]


def has_times(graph: GraphData) -> bool:
    """Whether nodes or edges have times."""
    return graph.node_time is not None or graph.edge_time is not None


def snapshot(graph: GraphData, window: Window) -> Snapshot:
    """Cut out the edges whose time is in `window`.

    Raises:
        DataError: neither nodes nor edges have times.
    """
    inside = np.empty(graph.num_edges, dtype=bool)
    counts = np.zeros(graph.num_nodes, dtype=np.int64)
    for rows, edges, row, time in _edge_blocks(graph):
        inside[edges] = chosen = (window.start <= time) & (time < window.end)
        counts[rows] = np.bincount(row[chosen], minlength=rows.stop - rows.start)
    kept = torch.from_numpy(inside)
    cut = replace(
        graph,
        rowptr=pointers(torch.from_numpy(counts)),
        col=graph.col[kept],
        edge_weight=None if graph.edge_weight is None else graph.edge_weight[kept],
        edge_time=None if graph.edge_time is None else graph.edge_time[kept],
        fingerprint=_cut_fingerprint(graph, window, int(counts.sum())),
        cache_dir=None,
    )
    return Snapshot(cut, _active(cut, window))


def _cut_fingerprint(graph: GraphData, window: Window, num_edges: int) -> Fingerprint:
    whole = graph.fingerprint
    digest = short_hash(whole.edges, whole.times, repr(tuple(window)))
    return replace(whole, edges=f"{num_edges}:{digest}")


def _active(cut: GraphData, window: Window) -> Bool[Tensor, " nodes"]:
    active = cut.degree > 0
    active[cut.col.long()] = True
    if cut.node_time is not None:
        active |= (cut.node_time >= window.start) & (cut.node_time < window.end)
    return active


def merge_repeated(graph: GraphData, *, counts: bool) -> GraphData:
    """Return `graph` with each repeated edge once. Where edges have weights, these are added up.

    `counts`: where they have none, the number of repetitions becomes the weight. Sources ascend in
    each row, as datasets give them.
    """
    col, rowptr = graph.col.numpy(), graph.rowptr.numpy()
    is_new = np.ones(len(col), dtype=bool)
    is_new[1:] = col[1:] != col[:-1]
    is_new[rowptr[:-1][rowptr[:-1] < len(col)]] = True
    starts = np.flatnonzero(is_new)
    weight = np.diff(starts, append=len(col)).astype(np.float32)
    if graph.edge_weight is not None and len(col):
        weight = np.add.reduceat(graph.edge_weight.numpy(), starts)
    has_weights = counts or graph.edge_weight is not None
    edges = f"{len(starts)}:{short_hash(graph.fingerprint.edges, 'merged')}"
    return replace(
        graph,
        rowptr=torch.from_numpy(starts.searchsorted(rowptr).astype(np.int64)),
        col=torch.from_numpy(col[starts]),
        edge_weight=torch.from_numpy(weight) if has_weights else None,
        edge_time=None,
        fingerprint=replace(graph.fingerprint, edges=edges),
        cache_dir=None,
    )


def edge_times(graph: GraphData) -> Times:
    """Return the time of each entry of `col`.

    Raises:
        DataError: neither nodes nor edges have times.
    """
    blocks = [time for *_, time in _edge_blocks(graph)]
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)


def _edge_blocks(graph: GraphData) -> Iterator[tuple[slice, slice, ndarray, Times]]:
    """Yield blocks of rows: the rows, their edges, each edge's row within the block, its time."""
    if not has_times(graph):
        raise no_times_error(graph)
    node_time = None if graph.node_time is None else graph.node_time.numpy()
    rowptr, col = graph.rowptr.numpy(), graph.col.numpy()
    limits = rowptr.searchsorted(np.arange(0, len(col), _BLOCK_EDGES)).tolist()
    for first, last in pairwise(sorted({0, *limits, graph.num_nodes})):
        edges = slice(rowptr[first], rowptr[last])
        row = np.repeat(np.arange(last - first), np.diff(rowptr[first : last + 1]))
        time = None if graph.edge_time is None else graph.edge_time.numpy()[edges]
        if node_time is not None:
            of_nodes = np.maximum(node_time[col[edges]], node_time[first:last][row])
            time = of_nodes if time is None else np.maximum(time, of_nodes)
        assert time is not None
        yield slice(first, last), edges, row, time
