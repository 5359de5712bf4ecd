"""Edges of the files, sorted into the rows of a graph: repeated ones, self-loops, reverses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Int32, Int64, Integer
from numpy import ndarray

from redditgnn.dataset.base import EdgeRules
from redditgnn.errors import DataError

EdgeIndex = Integer[ndarray, "2 edges"]
Weights = Float32[ndarray, " edges"]
NodeName = Callable[[int], str]
_BLOCK_EDGES = 1 << 24  # which are compared with their reverses at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class SortedEdges:
    """Edges as CSR by destination, and how many were left out or added, by kind."""

    rowptr: Int64[ndarray, " nodes_plus_1"]
    col: Int32[ndarray, " kept"]
    weight: Float32[ndarray, " kept"] | None
    facts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Sorted edges without repetitions."""

    rowptr: Int64[ndarray, " nodes_plus_1"]
    col: Int32[ndarray, " kept"]
    weight: Float32[ndarray, " kept"] | None


def sort_edges(
    name: str,
    edge_index: EdgeIndex,
    num_nodes: int,
    *,
    weight: Weights | None = None,
    rules: EdgeRules | None = None,
    node_name: NodeName = str,
) -> SortedEdges:
    """Sort `edge_index` (source, destination) by destination, then source, and apply `rules`.

    Messages call nodes by `node_name`.

    Raises:
        DataError: an edge that `rules` refuse, or an edge and its reverse with different weights
            in a graph that is to be undirected.
    """
    rules = rules or EdgeRules()
    source, destination = edge_index.astype(np.int32, copy=False)
    different = source != destination
    num_loops = len(source) - int(different.sum())
    if num_loops:
        if rules.self_loops == "refuse":
            node = node_name(int(source[np.argmin(different)]))
            raise DataError(
                f"dataset={name}: an edge joins node {node} to itself; remove it, or set "
                "dataset.self_loops=drop"
            )
        source, destination = source[different], destination[different]
        weight = None if weight is None else weight[different]
    add_up = rules.duplicates == "sum"
    rows = _sort_rows(source, destination, weight, num_nodes, add_up=add_up)
    if rules.duplicates == "refuse" and len(rows.col) < len(source):
        raise _repeated_error(name, source, destination, node_name)
    facts = {"self_loops": num_loops, "repeated_edges": len(source) - len(rows.col)}
    if rules.undirected:
        num_edges = len(rows.col)
        rows = _with_reverses(name, rows, num_nodes, node_name)
        facts["added_reverses"] = len(rows.col) - num_edges
    return SortedEdges(rowptr=rows.rowptr, col=rows.col, weight=rows.weight, facts=facts)


def _repeated_error(
    name: str,
    source: Int32[ndarray, " edges"],
    destination: Int32[ndarray, " edges"],
    node_name: NodeName,
) -> DataError:
    pairs, counts = np.unique(np.stack([source, destination]), axis=1, return_counts=True)
    first, second = map(node_name, pairs[:, counts > 1][:, 0].tolist())
    return DataError(
        f"dataset={name}: the edge {first} -> {second} is listed more than once; list it once, or "
        "set dataset.duplicates=first or dataset.duplicates=sum"
    )


def _sort_rows(
    source: Int32[ndarray, " edges"],
    destination: Int32[ndarray, " edges"],
    weight: Weights | None,
    num_nodes: int,
    *,
    add_up: bool,
) -> _Rows:
    """Keep the first of each edge, with its own weight or with the sum of all of its kind."""
    if weight is None and not add_up:
        return _sort_pattern(source, destination, num_nodes)
    key = destination.astype(np.int64) * num_nodes + source
    order = key.argsort(kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    if add_up:
        values = np.ones(len(key)) if weight is None else weight[order].astype(np.float64)
        weight = np.add.reduceat(values, starts).astype(np.float32) if len(key) else weight
    elif weight is not None:
        weight = weight[order[starts]]
    key = key[starts]
    rowptr = key.searchsorted(np.arange(num_nodes + 1) * num_nodes).astype(np.int64)
    return _Rows(rowptr, (key % num_nodes).astype(np.int32), weight)


def _sort_pattern(
    source: Int32[ndarray, " edges"], destination: Int32[ndarray, " edges"], num_nodes: int
) -> _Rows:
    """Sort edges without weights, which needs no key of 8 bytes for each."""
    from scipy import sparse

    ones, shape = np.ones(len(source), dtype=np.int8), (num_nodes, num_nodes)
    csr = sparse.coo_array((ones, (destination, source)), shape=shape).tocsr()
    csr.sum_duplicates()
    return _Rows(csr.indptr.astype(np.int64), csr.indices.astype(np.int32, copy=False), None)


def _with_reverses(name: str, rows: _Rows, num_nodes: int, node_name: NodeName) -> _Rows:
    """Add the reverse of each edge with its weight, where it is not there."""
    row = np.repeat(np.arange(num_nodes, dtype=np.int32), np.diff(rows.rowptr))
    both = (np.concatenate([rows.col, row]), np.concatenate([row, rows.col]))
    weight = None if rows.weight is None else np.concatenate([rows.weight, rows.weight])
    joined = _sort_rows(*both, weight, num_nodes, add_up=False)
    if weight is not None:
        _refuse_unequal_reverses(name, joined, num_nodes, node_name)
    return joined


def num_with_reverse(rowptr: Int64[ndarray, " nodes_plus_1"], col: Int32[ndarray, " edges"]) -> int:
    """Count the edges whose reverse is an edge as well."""
    from scipy import sparse

    num_nodes = len(rowptr) - 1
    matrix = sparse.csr_array(
        (np.ones(len(col), dtype=np.int8), col, rowptr), shape=(num_nodes, num_nodes)
    )
    transpose = matrix.T.tocsr()
    limits = rowptr.searchsorted(np.arange(0, len(col), _BLOCK_EDGES)).tolist()
    blocks = pairwise(sorted({0, *limits, num_nodes}))
    return sum(int(matrix[a:b].multiply(transpose[a:b]).nnz) for a, b in blocks)


def _refuse_unequal_reverses(name: str, rows: _Rows, num_nodes: int, node_name: NodeName) -> None:
    """Compare the weights with those of the transposed matrix, which has the same pattern."""
    from scipy import sparse

    assert rows.weight is not None
    shape = (num_nodes, num_nodes)
    transpose = sparse.csr_array((rows.weight, rows.col, rows.rowptr), shape=shape).T.tocsr()
    transpose.sort_indices()
    differs = rows.weight != transpose.data
    if differs.any():
        edge = int(np.argmax(differs))
        node = int(np.searchsorted(rows.rowptr, edge, side="right")) - 1
        source = int(rows.col[edge])
        raise DataError(
            f"dataset={name}: dataset.undirected=true needs one weight for both directions, the "
            f"edge {node_name(source)} -> {node_name(node)} has {rows.weight[edge]:g} and its "
            f"reverse {transpose.data[edge]:g}; give both the same, or set dataset.undirected=false"
        )
