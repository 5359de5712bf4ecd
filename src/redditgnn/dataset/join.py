"""Graphs as a dataset class gives them, checked one by one, and joined as one graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy import ndarray

from redditgnn.dataset.arrays import features
from redditgnn.dataset.edge_arrays import edges, read_weights
from redditgnn.dataset.feature_storage import Features
from redditgnn.dataset.labels import label_column
from redditgnn.dataset.split import MaskTable, mask_tables
from redditgnn.errors import DataError
from redditgnn.graph.sparse_features import SparseFeatures


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Arrays of one graph, or of several. Labels are as the files have them.

    `unused` describes values of edges that are no weight.
    """

    x: Features
    edge_index: Int64[ndarray, "2 edges"]
    edge_weight: Float32[ndarray, " edges"] | None
    unused: tuple[str, ...]
    y: ndarray
    masks: list[MaskTable | None]
    graph_ids: Int64[ndarray, " nodes"]


_MISSING = {
    "x": "choose a dataset with node features, or make some, e.g. "
    "+dataset.arguments.pre_transform._target_=torch_geometric.transforms.OneHotDegree "
    "+dataset.arguments.pre_transform.max_degree=30",
    "y": "choose a dataset with node features, node labels and edges",
}


def read_graph(name: str, data: Any, edge_weight: bool | None) -> Part:
    """Check one `Data` of PyG and take its arrays.

    Raises:
        DataError: names the attribute that is missing or malformed.
    """
    for key, way_out in _MISSING.items():
        if getattr(data, key, None) is None:
            raise DataError(f"dataset={name}: Data has no {key}; {way_out}")
    x = features(name, data.x)
    y = label_column(name, data.y, len(x))
    edge_index, of_matrix = edges(name, data, len(x))
    num_nodes, num_edges = len(x), edge_index.shape[1]
    if num_edges and not 0 <= edge_index.min() <= edge_index.max() < num_nodes:
        low, high = int(edge_index.min()), int(edge_index.max())
        raise DataError(
            f"dataset={name}: edges must join nodes in [0, {num_nodes:,}), got {low} to {high:,}"
        )
    weights = read_weights(name, data, of_matrix, num_edges, edge_weight)
    return Part(
        x=x,
        edge_index=edge_index,
        edge_weight=weights.weight,
        unused=weights.unused,
        y=y,
        masks=mask_tables(name, data, num_nodes),
        graph_ids=np.zeros(num_nodes, dtype=np.int64),
    )


def join_graphs(name: str, parts: Sequence[Part]) -> Part:
    """Return one graph without edges between its parts. A single part is returned as it is.

    Raises:
        DataError: the parts have different numbers of features, label columns or splits, or only
            some have weights.
    """
    if len(parts) == 1:
        return parts[0]
    sizes = [len(part.x) for part in parts]
    starts = accumulate(sizes, initial=0)
    shifted = [part.edge_index + start for part, start in zip(parts, starts, strict=False)]
    weights = [part.edge_weight for part in parts if part.edge_weight is not None]
    if 0 < len(weights) < len(parts):
        raise DataError(
            f"dataset={name}: {len(weights)} of {len(parts)} graphs have weights of edges; give "
            "all of them weights, or set dataset.edge_weight=false"
        )
    return Part(
        x=_joined_features(name, [part.x for part in parts]),
        edge_index=np.concatenate(shifted, axis=1),
        edge_weight=np.concatenate(weights) if weights else None,
        unused=tuple(dict.fromkeys(text for part in parts for text in part.unused)),
        y=_concatenated(name, "y", [part.y for part in parts]),
        masks=[_joined_masks(name, masks) for masks in zip(*(p.masks for p in parts), strict=True)],
        graph_ids=np.repeat(np.arange(len(parts)), sizes),
    )


def _joined_features(name: str, tables: Sequence[Features]) -> Features:
    """Join tables of features. One with few non-zeros makes all of them sparse."""
    dense = [table for table in tables if isinstance(table, ndarray)]
    if len(dense) == len(tables):
        return _concatenated(name, "x", dense)
    _refuse_other_shapes(name, "x", tables)
    return SparseFeatures.concatenated(
        [
            SparseFeatures.from_dense(torch.from_numpy(table))
            if isinstance(table, ndarray)
            else table
            for table in tables
        ]
    )


def _concatenated(name: str, key: str, arrays: Sequence[ndarray]) -> ndarray:
    _refuse_other_shapes(name, key, arrays)
    return np.concatenate(arrays)


def _refuse_other_shapes(name: str, key: str, arrays: Sequence[ndarray | SparseFeatures]) -> None:
    shapes = {tuple(array.shape[1:]): tuple(array.shape) for array in arrays}
    if len(shapes) > 1:
        raise DataError(
            f"dataset={name}: all graphs need the same number of columns in {key}, got the shapes "
            f"{' and '.join(str(list(shape)) for shape in list(shapes.values())[:2])}"
        )


def _joined_masks(name: str, masks: Sequence[ndarray | None]) -> ndarray | None:
    tables = [mask for mask in masks if mask is not None]
    return _concatenated(name, "the masks", tables) if len(tables) == len(masks) else None
