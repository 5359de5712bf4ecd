"""Small stand-ins for a batch and for a graph: what a step on them allocates tells of the real one.

Every size of the original (nodes, rows and edges of each layer) is replaced by a prime of its own,
so that the number of elements of a tensor tells which of the sizes it has: 1009 x 256 elements are
256 numbers a node. Average degrees stay, as layers choose by them what they compute first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count

import torch
from torch import Tensor

from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows
from redditgnn.graph.sparse_features import SparseFeatures, selected_rows

MOST_NODES, MOST_EDGES = 1009, 100_000
LEAST = 101  # so that no width of a layer is a multiple by accident


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Nodes of a batch, and rows and edges that each layer computes; layer 0 comes first."""

    nodes: int
    rows: tuple[int, ...]
    edges: tuple[int, ...]


def shape_of(batch: Batch) -> Shape:
    """Read the sizes of `batch` off it."""
    edges = batch.num_edges or tuple(int(batch.rowptr[rows]) for rows in batch.num_dst)
    return Shape(nodes=len(batch.node_ids), rows=batch.num_dst, edges=edges)


class Sizes:
    """The small sizes that stand for those of `shape`; none divides a number in `reserved`."""

    def __init__(self, shape: Shape, reserved: Iterable[int]) -> None:
        self._reserved = {number for number in reserved if number}
        self._used: set[int] = set()
        degree = max(shape.edges, default=0) / max(1, shape.nodes)
        nodes = min(MOST_NODES, max(LEAST, round(MOST_EDGES / max(1.0, degree))))
        share = nodes / max(1, shape.nodes)
        nodes_of = self._primes({shape.nodes, *shape.rows}, share)
        edges_of = self._primes({edges for edges in shape.edges if edges}, share) | {0: 0}
        self.real = shape
        self.small = Shape(
            nodes=nodes_of[shape.nodes],
            rows=tuple(nodes_of[rows] for rows in shape.rows),
            edges=tuple(edges_of[edges] for edges in shape.edges),
        )
        self.entries = 0  # non-zeros of the small features, where those are sparse

    def counted_as(self, real: Shape | None = None) -> Counted:
        """Return what turns numbers of elements into those at `real`; None: at the shape."""
        return Counted(self.small, real or self.real, self.entries, sum(self._reserved))

    def _primes(self, sizes: set[int], share: float) -> dict[int, int]:
        """Return a prime for each size, in the same order, about `share` of it."""
        small_sizes: dict[int, int] = {}
        for size in sorted(sizes):
            least = max(
                LEAST, round(size * share), *(prime + 1 for prime in small_sizes.values()), 2
            )
            small_sizes[size] = next(n for n in count(least) if self._is_free(n))
            self._used.add(small_sizes[size])
        return small_sizes

    def _is_free(self, number: int) -> bool:
        if number in self._used or any(number % n == 0 for n in range(2, int(number**0.5) + 1)):
            return False
        return all(width % number for width in self._reserved)


class Counted:
    """Maps numbers of elements of small tensors to those of real ones.

    `most_fixed`: a tensor of more elements that has none of the sizes, as the workspace of a
    library, is taken to grow with the nodes.
    """

    def __init__(self, small: Shape, real: Shape, entries: int, most_fixed: int) -> None:
        self._most_fixed, self._share = most_fixed, real.nodes / small.nodes
        pairs = {small.nodes: real.nodes}
        pairs |= dict(zip((*small.edges, *small.rows), (*real.edges, *real.rows), strict=True))
        layers = zip(small.edges, small.rows, real.edges, real.rows, strict=True)
        looped = {e + r: edges + rows for e, r, edges, rows in layers}  # with self-loops
        self._exactly = {n + 1: m + 1 for n, m in (pairs | looped).items()}  # row pointers
        if entries:
            self._exactly[entries] = round(entries * real.nodes / small.nodes)
        pairs.pop(0, None)
        self._multiples = [*sorted(pairs.items(), reverse=True), *sorted(looped.items())]

    def __call__(self, numel: int) -> float:
        if numel in self._exactly:
            return float(self._exactly[numel])
        for small, real in self._multiples:
            if numel % small == 0:
                return float(numel // small * real)
        return numel * self._share if numel > self._most_fixed else float(numel)


def small_batch(batch: Batch, sizes: Sizes) -> Batch:
    """Return a batch of the small sizes with nodes of `batch`, and edges anywhere among them."""
    small, device = sizes.small, batch.rowptr.device
    node_ids = picked(len(batch.node_ids), small.nodes)
    targets = picked(batch.num_targets, small.rows[-1]).to(device)
    features = _small_rows(batch.features, node_ids)
    sparse = features.sparse
    sizes.entries = 0 if sparse is None else len(sparse.values)
    return replace(
        batch,
        features=Rows(features.table, features.node_ids),  # with nothing gathered yet
        y=batch.y[targets],
        loss_weight=torch.full((len(targets),), 1 / len(targets), device=device),
        node_ids=torch.arange(small.nodes, device=device),
        rowptr=_rowptr(small).to(device),
        col=_columns(small).to(device),
        degree=batch.degree[node_ids.to(device)],
        num_dst=small.rows,
        num_edges=small.edges,
        edge_scale=None if batch.edge_scale is None else torch.ones(small.edges[0]).to(device),
        row_scale=None if batch.row_scale is None else torch.ones(small.rows[0]).to(device),
        edge_weight=None if batch.edge_weight is None else torch.ones(small.edges[0]).to(device),
        _blocks={},
    )


def small_graph(graph: GraphData, sizes: Sizes) -> GraphData:
    """Return a graph of the small sizes with nodes of `graph`, and edges anywhere among them."""
    ids = picked(graph.num_nodes, sizes.small.nodes)
    return replace(
        graph,
        x=selected_rows(graph.x, ids),
        rowptr=_rowptr(sizes.small),
        col=_columns(sizes.small),
        edge_weight=None if graph.edge_weight is None else torch.ones(max(sizes.small.edges)),
        y=graph.y[ids],
        train_mask=torch.ones(len(ids), dtype=torch.bool),
        val_mask=torch.ones(len(ids), dtype=torch.bool),
        test_mask=torch.ones(len(ids), dtype=torch.bool),
        cache_dir=None,
    )


def picked(num_real: int, num_small: int) -> Tensor:
    """Return `num_small` positions spread over `num_real`, if those are fewer with repetitions."""
    return torch.arange(num_small) * num_real // num_small


def _small_rows(features: Rows, picked_ids: Tensor) -> Rows:
    """Return some of the rows: of a whole table a small table, of a batch's rows as lazy ones."""
    table = features.table
    if features.node_ids is not None:
        return Rows(table, features.node_ids[picked_ids.to(features.node_ids.device)])
    picked_ids = picked_ids.to(table.device)
    if isinstance(table, (Tensor, SparseFeatures)):
        return Rows(selected_rows(table, picked_ids))
    return Rows(table.gather(picked_ids))


def _rowptr(small: Shape) -> Tensor:
    """Return the row pointers of layer 0; the rows of each layer have its number of edges."""
    ends = sorted(set(zip(small.rows, small.edges, strict=True)))
    pieces, row, edge = [torch.zeros(1, dtype=torch.int64)], 0, 0
    for rows, edges in ends:
        steps = torch.arange(1, rows - row + 1)
        pieces.append(edge + steps * (edges - edge) // (rows - row))
        row, edge = rows, edges
    return torch.cat(pieces)


def _columns(small: Shape) -> Tensor:
    """Return the sources of the edges, in turn: a layer reads no rows but those of the one before.

    With histories a layer may read all nodes; reading fewer takes as much memory.
    """
    col = torch.arange(max(small.edges, default=0))
    for edges, num_src in zip(small.edges[1:], small.rows, strict=False):
        col[:edges] %= num_src
    return (col % small.nodes).to(torch.int32)
