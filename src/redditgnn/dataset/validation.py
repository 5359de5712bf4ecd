"""Checks of a raw graph, and its conversion into the arrays that are cached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32
from numpy import ndarray

from redditgnn.dataset.base import MASKS, ConvertedGraph, EdgeRules, Labels, Mask, RawGraph
from redditgnn.dataset.edges import num_with_reverse, sort_edges
from redditgnn.dataset.feature_storage import Features, arrays_of
from redditgnn.dataset.times import check_times
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.sparse_features import SparseFeatures

_LOG = logging.getLogger(__name__)
_SIZES = ("num_nodes", "num_edges", "num_features", "num_classes")
_SPLITS = ("num_train", "num_val", "num_test")


def convert_graph(
    name: str,
    raw: RawGraph,
    expected: Mapping[str, int | None] | None,
    raw_files: Iterable[Path | str],
    rules: EdgeRules | None = None,
    *,
    needs_labels: bool = True,
) -> ConvertedGraph:
    """Check `raw`, apply `rules` to its edges, and sort them by destination.

    Without `rules` self-loops and repeated edges are dropped. A graph without labels and splits is
    one to predict. It is refused if it `needs_labels`.

    Raises:
        DataError: names the array and its fault, or the count that is not the `expected` one.
    """
    num_classes = check_labels(name, raw.y) if needs_labels else 0
    _check_features(name, raw)
    _check_edges_and_times(name, raw)
    masks = _check_masks(name, raw, needs_nodes=needs_labels)
    counts = _count_all(raw, num_classes, masks)
    check_expected(name, counts, expected or {})
    _warn_of_labels(name, raw.y)
    edges = sort_edges(
        *(name, raw.edge_index, len(raw.x)),
        weight=raw.edge_weight,
        time=raw.edge_time,
        rules=rules,
        node_name=raw.node_name,
    )
    with_reverse = num_with_reverse(edges)
    if rules is not None and rules.undirected is None:
        _warn_of_directed_edges(name, with_reverse, len(edges.col))
    adjacency = {"rowptr": edges.rowptr, "col": edges.col}
    arrays = {**arrays_of(raw.x), **adjacency, "y": raw.y, **masks}
    optional = {"edge_weight": edges.weight, "edge_time": edges.time, "node_time": raw.node_time}
    arrays |= {key: array for key, array in optional.items() if array is not None}
    return ConvertedGraph(
        arrays=arrays,
        num_classes=num_classes,
        names=raw.names,
        facts={
            "read": counts,
            "num_splits": raw.num_splits,
            **edges.facts,
            "edges_with_reverse": with_reverse,
            "edge_values_left_out": raw.edge_values_left_out,
        },
        raw_files=tuple(map(Path, raw_files)),
    )


def check_expected(
    name: str, counts: Mapping[str, int], expected: Mapping[str, int | None]
) -> None:
    """Refuse files whose counts are not the expected ones of their dataset.

    Raises:
        DataError: names the first count that differs, or an unknown key of `expected`.
    """
    for key, count in expected.items():
        if key not in counts:
            names = ", ".join(counts)
            raise DataError(f"dataset.expected.{key} is not a count; known are {names}")
        if count is not None and counts[key] != count:
            raise DataError(
                f"dataset={name}: {key} must be {count:,}, the files have {counts[key]:,}; they "
                "are not the original ones: replace them, or set dataset.expected=null to use them"
            )


def check_labels(name: str, y: Labels) -> int:
    """Return the number of classes.

    Raises:
        DataError: there are no labels, or they are not numbers of classes.
    """
    if len(y) == 0:
        raise DataError(f"dataset={name}: the files hold no nodes")
    if not is_labelled(y).any():
        raise DataError(f"dataset={name}: no node has a label, so nothing can be learned")
    if y.ndim == 2:
        if not np.isin(y[is_labelled(y)], (0.0, 1.0)).all():
            raise DataError(f"dataset={name}: multi-label targets must be 0 or 1, the files differ")
        return int(y.shape[1])
    if y.min() < -1:
        node = int(np.argmax(y < -1))
        raise DataError(
            f"dataset={name}: labels must be >= 0, or -1 for none, node {node} has {y[node]}"
        )
    if y.max() >= len(y):
        node = int(y.argmax())
        raise DataError(
            f"dataset={name}: labels must be below {len(y):,}, the number of nodes, "
            f"node {node} has {y[node]:,}; number the classes from 0"
        )
    return int(y.max()) + 1


def _warn_of_directed_edges(name: str, with_reverse: int, num_edges: int) -> None:
    if with_reverse < num_edges:
        _LOG.warning(
            "dataset=%s: %s of %s edges have their reverse (%.1f%%), and messages follow "
            "them one way; dataset.undirected=true adds reverses, dataset.undirected=false is "
            "silent",
            *(name, f"{with_reverse:,}", f"{num_edges:,}", 100 * with_reverse / num_edges),
        )


def _warn_of_labels(name: str, y: Labels) -> None:
    """Say that nothing can be learned where all labels are equal, or all different."""
    labels = y[is_labelled(y)]
    if y.ndim == 2:
        return
    num_classes = len(np.unique(labels))
    if num_classes == 1:
        _LOG.warning(
            "dataset=%s: every node with a label has class %s, so all models score 1.0",
            *(name, labels[0]),
        )
    elif num_classes == len(labels) > 2:
        _LOG.warning(
            "dataset=%s: every label is there once (%s of them), so they are no classes",
            *(name, f"{num_classes:,}"),
        )


def is_labelled(y: Labels) -> Bool[ndarray, " nodes"]:
    """Tell which nodes have labels. The others have -1, in every column if there are several."""
    return (y != -1).any(axis=1) if y.ndim == 2 else y != -1


def _check_features(name: str, raw: RawGraph) -> None:
    if len(raw.x) != len(raw.y):
        sizes = f"{len(raw.x):,} feature rows and {len(raw.y):,} labels"
        raise DataError(f"dataset={name}: every node needs features and a label, got {sizes}")
    node = _first_node(raw.x, lambda numbers: ~np.isfinite(numbers))
    if node is None:
        return
    row = (
        raw.x.gather(torch.tensor([node]))[0] if isinstance(raw.x, SparseFeatures) else raw.x[node]
    )
    values = np.asarray(row)
    column = int(np.argmin(np.isfinite(values)))
    raise DataError(
        f"dataset={name}: features must be finite, those of node {raw.node_name(node)} are "
        f"not: column {column} has {values[column]}"
    )


def _first_node(x: Features, is_bad: Callable[[ndarray], ndarray]) -> int | None:
    """Return the first node with a feature for which `is_bad` holds. Zeros are never bad."""
    if isinstance(x, SparseFeatures):
        bad = is_bad(x.values.numpy())
        if not bad.any():
            return None
        return int(np.searchsorted(x.csr.rowptr.numpy(), np.argmax(bad), "right")) - 1
    for start in range(0, len(x), 65536):  # in pieces: a mask of all features would be large
        rows = is_bad(x[start : start + 65536]).any(axis=1)
        if rows.any():
            return start + int(np.argmax(rows))
    return None


def _check_edges_and_times(name: str, raw: RawGraph) -> None:
    check_times(name, "node_time", raw.node_time, len(raw.x))
    check_times(name, "edge_time", raw.edge_time, raw.edge_index.shape[1])
    if raw.edge_index.size == 0:
        return
    if raw.edge_weight is not None:
        check_weights(name, raw.edge_weight, raw.edge_index.shape[1])
    low, high = int(raw.edge_index.min()), int(raw.edge_index.max())
    if low < 0 or high >= len(raw.x):
        raise DataError(
            f"dataset={name}: edges must join nodes in [0, {len(raw.x):,}), got {low} to {high:,}"
        )


def check_weights(
    name: str, weight: Float32[ndarray, " weights"], num_edges: int, key: str = "edge_weight"
) -> None:
    """Refuse weights that are not one for each edge, finite, and at least 0.

    `key` is what the files call them.

    Raises:
        DataError: names the first unusable weight.
    """
    way_out = "correct them, or set dataset.edge_weight=false to count all edges alike"
    if len(weight) != num_edges:
        raise DataError(
            f"dataset={name}: {key}: every edge needs a weight, got {len(weight):,} weights for "
            f"{num_edges:,} edges; {way_out}"
        )
    usable = np.isfinite(weight) & (weight >= 0)
    if not usable.all():
        edge = int(np.argmin(usable))
        raise DataError(
            f"dataset={name}: {key}: edge weights must be finite and at least 0, edge {edge} has "
            f"{weight[edge]:g}; {way_out}"
        )


def _check_masks(name: str, raw: RawGraph, *, needs_nodes: bool) -> dict[str, Mask]:
    masks: list[Mask] = []
    for key, mask in zip(MASKS, raw.masks, strict=True):
        if mask is None or mask.shape != raw.y.shape[:1]:
            raise DataError(
                f"dataset={name}: the files have no usable {key}; set dataset.split=random"
            )
        masks.append(mask)
    overlap = np.add.reduce(masks, dtype=np.int8) > 1
    if overlap.any():
        node = raw.node_name(int(np.argmax(overlap)))
        raise DataError(f"dataset={name}: splits must be disjoint, node {node} is in more than one")
    for split, mask in zip(("training", "validation", "test"), masks, strict=True):
        if needs_nodes and not mask.any():
            raise DataError(f"dataset={name}: the {split} split must have nodes, it is empty")
        if (unlabelled := mask & ~is_labelled(raw.y)).any():
            node = raw.node_name(int(np.argmax(unlabelled)))
            raise DataError(
                f"dataset={name}: {int(unlabelled.sum()):,} nodes of the {split} split have no "
                f"label, the first is node {node}; leave them out of the split: they can still be "
                "predicted (-1, NaN and blanks are no label)"
            )
    return dict(zip(MASKS, masks, strict=True))


def _count_all(raw: RawGraph, num_classes: int, masks: Mapping[str, Mask]) -> dict[str, int]:
    sizes = (*raw.x.shape[:1], raw.edge_index.shape[1], raw.x.shape[1], num_classes)
    splits = (int(masks[key].sum()) for key in MASKS)
    return dict(zip((*_SIZES, *_SPLITS), (*sizes, *splits), strict=True))


def row_normalized(name: str, raw: RawGraph) -> RawGraph:
    """Divide each row of the features by its sum (Kipf and Welling 2017). Rows of zeros stay.

    Raises:
        ConfigError: a feature is negative, so that sums may be near zero or turn signs.
    """
    x = raw.x
    if (node := _first_node(x, lambda numbers: numbers < 0)) is not None:
        row = x[node] if isinstance(x, ndarray) else x.select(torch.tensor([node])).values
        raise ConfigError(
            "dataset.normalize_features=true divides each row by its sum and needs features of "
            f"at least 0, node {node} has {row.min():g}; set it to false, or use "
            "+dataset.arguments.transform._target_=torch_geometric.transforms.NormalizeFeatures"
            ", which shifts them first"
        )
    if isinstance(x, SparseFeatures):
        return replace(raw, x=_sparse_rows_normalized(x))
    total = x.sum(axis=1, keepdims=True, dtype=np.float64)
    return replace(raw, x=(x / np.where(total == 0, 1.0, total)).astype(np.float32))


def _sparse_rows_normalized(x: SparseFeatures) -> SparseFeatures:
    row = x.csr.row
    total = torch.zeros(len(x), dtype=torch.float64).index_add_(0, row, x.values.double())
    return x.with_values((x.values / total[row]).float())
