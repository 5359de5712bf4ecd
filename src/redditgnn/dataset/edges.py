"""Edges of the files, sorted into the rows of a graph: repeated ones, self-loops, reverses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Integer
from numpy import ndarray

from redditgnn.dataset.base import EdgeRules
from redditgnn.errors import DataError

EdgeIndex = Integer[ndarray, "2 edges"]
Weights = Float32[ndarray, " edges"]
Times = Int64[ndarray, " edges"] | Float64[ndarray, " edges"]
NodeName = Callable[[int], str]
_BLOCK_EDGES = 1 << 24  # which are compared with their reverses at a time


@dataclass(frozen=True, slots=True)
class Rows:
    """Edges as CSR by destination, then source, then time, each once."""

    rowptr: Int64[ndarray, " nodes_plus_1"]
    col: Int32[ndarray, " kept"]
    weight: Float32[ndarray, " kept"] | None
    time: Int64[ndarray, " kept"] | Float64[ndarray, " kept"] | None = None

    @property
    def row(self) -> Int32[ndarray, " kept"]:
        """The destination of each edge."""
        return np.repeat(np.arange(len(self.rowptr) - 1, dtype=np.int32), np.diff(self.rowptr))


@dataclass(frozen=True, slots=True)
class SortedEdges(Rows):
    """The same, and how many edges were left out or added, by kind."""

    facts: dict[str, int] = field(default_factory=dict)


def sort_edges(
    name: str,
    edge_index: EdgeIndex,
    num_nodes: int,
    *,
    weight: Weights | None = None,
    time: Times | None = None,
    rules: EdgeRules | None = None,
    node_name: NodeName = str,
) -> SortedEdges:
    """Sort `edge_index` (source, destination) by destination, then source, and apply `rules`.

    Edges between the same nodes at different times are different edges, by ascending time.
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
            raise _loop_error(name, node_name(int(source[np.argmin(different)])))
        source, destination = source[different], destination[different]
        weight = None if weight is None else weight[different]
        time = None if time is None else time[different]
    add_up = rules.duplicates == "sum"
    rows = _sort_rows(source, destination, weight, time, num_nodes, add_up=add_up)
    if rules.duplicates == "refuse" and len(rows.col) < len(source):
        raise _repeated_error(name, source, destination, node_name)
    facts = {"self_loops": num_loops, "repeated_edges": len(source) - len(rows.col)}
    if rules.undirected:
        num_edges = len(rows.col)
        rows = _with_reverses(name, rows, num_nodes, node_name)
        facts["added_reverses"] = len(rows.col) - num_edges
    return SortedEdges(rows.rowptr, rows.col, rows.weight, rows.time, facts)


def _loop_error(name: str, node: str) -> DataError:
    return DataError(
        f"dataset={name}: an edge joins node {node} to itself; remove it, or set "
        "dataset.self_loops=drop"
    )


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
    time: Times | None,
    num_nodes: int,
    *,
    add_up: bool,
) -> Rows:
    """Keep the first of each edge, with its own weight or with the sum of all of its kind."""
    if weight is None and time is None and not add_up:
        return _sort_pattern(source, destination, num_nodes)
    key = destination.astype(np.int64) * num_nodes + source
    order = key.argsort(kind="stable") if time is None else np.lexsort((time, key))
    key = key[order]
    is_new = np.diff(key, prepend=-1) != 0
    if time is not None:
        time = time[order]
        is_new[1:] |= time[1:] != time[:-1]
    starts = np.flatnonzero(is_new)
    if add_up:
        values = np.ones(len(key)) if weight is None else weight[order].astype(np.float64)
        weight = np.add.reduceat(values, starts).astype(np.float32) if len(key) else weight
    elif weight is not None:
        weight = weight[order[starts]]
    key, time = key[starts], None if time is None else time[starts]
    rowptr = key.searchsorted(np.arange(num_nodes + 1) * num_nodes).astype(np.int64)
    return Rows(rowptr, (key % num_nodes).astype(np.int32), weight, time)


def _sort_pattern(
    source: Int32[ndarray, " edges"], destination: Int32[ndarray, " edges"], num_nodes: int
) -> Rows:
    """Sort edges without weights, which needs no key of 8 bytes for each."""
    from scipy import sparse

    ones, shape = np.ones(len(source), dtype=np.int8), (num_nodes, num_nodes)
    csr = sparse.coo_array((ones, (destination, source)), shape=shape).tocsr()
    csr.sum_duplicates()
    return Rows(csr.indptr.astype(np.int64), csr.indices.astype(np.int32, copy=False), None)


def _with_reverses(name: str, rows: Rows, num_nodes: int, node_name: NodeName) -> Rows:
    """Add the reverse of each edge with its weight and time, where it is not there."""
    row = rows.row
    both = (np.concatenate([rows.col, row]), np.concatenate([row, rows.col]))
    weight, time = (
        None if values is None else np.concatenate([values, values])
        for values in (rows.weight, rows.time)
    )
    joined = _sort_rows(*both, weight, time, num_nodes, add_up=False)
    if weight is not None:
        _refuse_unequal_reverses(name, joined, node_name)
    return joined


def num_with_reverse(rows: Rows) -> int:
    """Count the edges whose reverse is an edge as well, at the same time if edges have times."""
    from scipy import sparse

    num_nodes, num_edges = len(rows.rowptr) - 1, len(rows.col)
    if rows.time is not None:
        return _num_with_reverse_at_its_time(rows, rows.time)
    matrix = sparse.csr_array(
        (np.ones(num_edges, dtype=np.int8), rows.col, rows.rowptr), shape=(num_nodes, num_nodes)
    )
    transpose = matrix.T.tocsr()
    limits = rows.rowptr.searchsorted(np.arange(0, num_edges, _BLOCK_EDGES)).tolist()
    blocks = pairwise(sorted({0, *limits, num_nodes}))
    return sum(int(matrix[a:b].multiply(transpose[a:b]).nnz) for a, b in blocks)


def _num_with_reverse_at_its_time(rows: Rows, time: Times) -> int:
    """Count the edges that are equal to the reverse of one. Each edge is there once."""
    row = rows.row
    columns = np.concatenate([row, rows.col]), np.concatenate([rows.col, row]), np.tile(time, 2)
    order = np.lexsort(columns)
    equal = [column[order[1:]] == column[order[:-1]] for column in columns]
    return int(np.logical_and.reduce(equal).sum())


def _refuse_unequal_reverses(name: str, rows: Rows, node_name: NodeName) -> None:
    """Compare the weights of edges and reverses, both by source, destination and time."""
    assert rows.weight is not None
    of_reverse = rows.weight[rows.col.argsort(kind="stable")]
    differs = rows.weight != of_reverse
    if differs.any():
        edge = int(np.argmax(differs))
        source, destination = (node_name(int(ids[edge])) for ids in (rows.col, rows.row))
        raise DataError(
            f"dataset={name}: dataset.undirected=true needs one weight for both directions, the "
            f"edge {source} -> {destination} has {rows.weight[edge]:g} and its "
            f"reverse {of_reverse[edge]:g}; give both the same, or set dataset.undirected=false"
        )
