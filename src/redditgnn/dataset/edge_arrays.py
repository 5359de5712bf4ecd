"""Edges and their weights, as a `Data` of PyG has them: `edge_index`, `adj_t`, `edge_attr`."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from redditgnn.dataset.arrays import integers, is_sparse, numbers, sparse_matrix
from redditgnn.dataset.validation import check_weights
from redditgnn.errors import DataError

_LOG = logging.getLogger(__name__)


def edges(name: str, data: Any, num_nodes: int) -> tuple[Int64[ndarray, "2 edges"], ndarray | None]:
    """Return (source, destination) of each edge, and the values of `adj_t` if these are not 1.

    Raises:
        DataError: there are no edges, or `edge_index` is not [2, edges] whole numbers.
    """
    value = getattr(data, "edge_index", None)
    if value is None:
        return _edges_of_matrix(name, getattr(data, "adj_t", None), num_nodes)
    if is_sparse(value):  # not made dense: it has nodes x nodes entries
        raise _shape_error(name, value.shape)
    array = numbers(name, "edge_index", value)
    if array.size == 0:
        return np.empty((2, 0), dtype=np.int64), None
    if array.ndim != 2 or array.shape[0] != 2:
        raise _shape_error(name, array.shape)
    if array.dtype.kind == "b":
        raise DataError(f"dataset={name}: edge_index must hold node numbers, it holds bool")
    return integers(name, "edge_index", array), None


def _shape_error(name: str, shape: tuple[int, ...]) -> DataError:
    way_out = "its rows are sources and destinations, and weights are in edge_weight"
    if len(shape) == 2 and shape[0] == shape[1]:
        way_out = (
            "a matrix of nodes becomes edges by torch_geometric.utils.dense_to_sparse, "
            "from_scipy_sparse_matrix or to_edge_index"
        )
    elif len(shape) == 2 and shape[1] == 2:
        way_out = "transpose it"
    return DataError(
        f"dataset={name}: edge_index must have the shape [2, edges], got {list(shape)}; {way_out}"
    )


def _edges_of_matrix(
    name: str, adjacency: Any, num_nodes: int
) -> tuple[Int64[ndarray, "2 edges"], ndarray | None]:
    if adjacency is None:
        raise DataError(
            f"dataset={name}: Data has no edge_index; choose a dataset with node features, node "
            "labels and edges"
        )
    matrix = sparse_matrix(adjacency)
    shape = None if matrix is None else tuple(matrix.shape)
    if matrix is None or shape != (num_nodes, num_nodes):
        problem = "it is not sparse" if shape is None else f"its shape is {list(shape)}"
        raise DataError(
            f"dataset={name}: adj_t must be a sparse matrix of [{num_nodes}, {num_nodes}], a row "
            f"for each destination, {problem}; give edge_index instead"
        )
    coo = matrix.tocoo()  # rows are destinations
    weight = None if (coo.data == 1).all() else coo.data
    return np.stack([coo.col, coo.row]).astype(np.int64), weight


class Weights(NamedTuple):
    """The weight of each edge, and a description of what else `Data` has for edges."""

    weight: Float32[ndarray, " edges"] | None
    unused: tuple[str, ...]


def read_weights(
    name: str, data: Any, of_matrix: ndarray | None, num_edges: int, use: bool | None
) -> Weights:
    """Read the weight of each edge: `edge_weight`, the values of `adj_t`, or `edge_attr`.

    Only an `edge_attr` of one column is a weight, and this is said unless `use` is True. False
    ignores all of them.

    Raises:
        DataError: a weight is missing, negative or not finite.
    """
    values = {
        "edge_weight": getattr(data, "edge_weight", None),
        "adj_t": of_matrix,
        "edge_attr": getattr(data, "edge_attr", None),
    }
    present = {key: value for key, value in values.items() if value is not None}
    if use is False or not present:
        return Weights(None, tuple(present))
    key, value = next(iter(present.items()))
    array = _column_of_edges(name, key, value, num_edges)
    others = [other for other in present if other != key]
    if array.ndim > 1:
        text = f"{key} ({array.shape[1]} columns)"
        _LOG.warning("dataset=%s: %s is not used, since a weight is one number", name, text)
        return Weights(None, (text, *others))
    if key == "edge_attr" and use is None:
        _LOG.warning(
            "dataset=%s: edge_attr is the weight of each edge; dataset.edge_weight=false ignores "
            "it, dataset.edge_weight=true is silent",
            name,
        )
    weight = array.astype(np.float32)
    check_weights(name, weight, num_edges, key)
    return Weights(weight, tuple(others))


def _column_of_edges(name: str, key: str, value: Any, num_edges: int) -> ndarray:
    """Return [edges], or [edges, columns] where an edge has several numbers."""
    try:
        array = numbers(name, key, value)
    except DataError as error:
        raise DataError(f"{error}; or ignore it by dataset.edge_weight=false") from error
    if array.shape == (1, num_edges):
        return array[0]
    return array.reshape(len(array), -1) if array[:1].size > 1 else array.reshape(-1)
