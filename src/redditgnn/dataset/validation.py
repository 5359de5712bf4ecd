"""Checks of a raw graph, and its conversion into the arrays that are cached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64, Integer
from numpy import ndarray

from redditgnn.dataset.base import MASKS, ConvertedGraph, Labels, Mask, RawGraph
from redditgnn.errors import DataError

_SIZES = ("num_nodes", "num_edges", "num_features", "num_classes")
_SPLITS = ("num_train", "num_val", "num_test")


def convert_graph(
    name: str,
    raw: RawGraph,
    expected: Mapping[str, int | None] | None,
    raw_files: Iterable[Path | str],
) -> ConvertedGraph:
    """Check `raw`, drop its self-loops and repeated edges, and sort the rest by destination.

    Raises:
        DataError: names the array and its fault, or the count that is not the `expected` one.
    """
    num_classes = _check_labels(name, raw.y)
    _check_features(name, raw)
    _check_edges(name, raw)
    masks = _check_masks(name, raw)
    counts = _count_all(raw, num_classes, masks)
    check_expected(name, counts, expected or {})
    rowptr, col, drop_counts = csr_by_destination(raw.edge_index, len(raw.x))
    arrays = {"x": raw.x, "rowptr": rowptr, "col": col, "y": raw.y, **masks}
    return ConvertedGraph(
        arrays=arrays,
        num_classes=num_classes,
        facts={"read": counts, **drop_counts},
        raw_files=tuple(map(Path, raw_files)),
    )


def csr_by_destination(
    edge_index: Integer[ndarray, "2 edges"], num_nodes: int
) -> tuple[Int64[ndarray, " nodes_plus_1"], Int32[ndarray, " kept"], dict[str, int]]:
    """Sort by (destination, source). Drop self-loops and repeated edges, and count them."""
    from scipy import sparse

    source, destination = edge_index.astype(np.int32, copy=False)
    different = source != destination
    num_loops = len(source) - int(different.sum())
    if num_loops:
        source, destination = source[different], destination[different]
    ones = np.ones(len(source), dtype=np.int8)
    shape = (num_nodes, num_nodes)
    csr = sparse.coo_array((ones, (destination, source)), shape=shape).tocsr()
    csr.sum_duplicates()
    drop_counts = {"self_loops": num_loops, "repeated_edges": len(source) - len(csr.indices)}
    return csr.indptr.astype(np.int64), csr.indices.astype(np.int32, copy=False), drop_counts


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


def _check_labels(name: str, y: Labels) -> int:
    if y.ndim == 2:
        if not np.isin(y, (0.0, 1.0)).all():
            raise DataError(f"dataset={name}: multi-label targets must be 0 or 1, the files differ")
        return int(y.shape[1])
    if len(y) == 0:
        raise DataError(f"dataset={name}: the files hold no nodes")
    if y.min() < 0:
        node = int(np.argmax(y < 0))
        raise DataError(f"dataset={name}: labels must be >= 0, node {node} has {y[node]}")
    if y.max() >= len(y):
        node = int(y.argmax())
        raise DataError(
            f"dataset={name}: labels must be below {len(y):,}, the number of nodes, "
            f"node {node} has {y[node]:,}"
        )
    return int(y.max()) + 1


def _check_features(name: str, raw: RawGraph) -> None:
    if len(raw.x) != len(raw.y):
        sizes = f"{len(raw.x):,} feature rows and {len(raw.y):,} labels"
        raise DataError(f"dataset={name}: every node needs features and a label, got {sizes}")
    for start in range(0, len(raw.x), 65536):  # in pieces: a mask of all features would be large
        finite = np.isfinite(raw.x[start : start + 65536]).all(axis=1)
        if not finite.all():
            node = start + int(np.argmin(finite))
            raise DataError(
                f"dataset={name}: features must be finite, those of node {node} are not"
            )


def _check_edges(name: str, raw: RawGraph) -> None:
    if raw.edge_index.size == 0:
        return
    low, high = int(raw.edge_index.min()), int(raw.edge_index.max())
    if low < 0 or high >= len(raw.x):
        raise DataError(
            f"dataset={name}: edges must join nodes in [0, {len(raw.x):,}), got {low} to {high:,}"
        )


def _check_masks(name: str, raw: RawGraph) -> dict[str, Mask]:
    masks: list[Mask] = []
    for key, mask in zip(MASKS, raw.masks, strict=True):
        if mask is None or mask.shape != raw.y.shape[:1]:
            raise DataError(
                f"dataset={name}: the files have no usable {key}; set dataset.split=random"
            )
        masks.append(mask)
    overlap = np.add.reduce(masks, dtype=np.int8) > 1
    if overlap.any():
        node = int(np.argmax(overlap))
        raise DataError(f"dataset={name}: splits must be disjoint, node {node} is in more than one")
    for split, mask in zip(("training", "validation", "test"), masks, strict=True):
        if not mask.any():
            raise DataError(f"dataset={name}: the {split} split must have nodes, it is empty")
    return dict(zip(MASKS, masks, strict=True))


def _count_all(raw: RawGraph, num_classes: int, masks: Mapping[str, Mask]) -> dict[str, int]:
    sizes = (*raw.x.shape[:1], raw.edge_index.shape[1], raw.x.shape[1], num_classes)
    splits = (int(masks[key].sum()) for key in MASKS)
    return dict(zip((*_SIZES, *_SPLITS), (*sizes, *splits), strict=True))


def row_normalized(x: Float[ndarray, "nodes features"]) -> Float32[ndarray, "nodes features"]:
    """Divide each row by its sum (Kipf and Welling 2017). Rows with sum 0 stay."""
    total = x.sum(axis=1, keepdims=True, dtype=np.float64)
    return (x / np.where(total == 0, 1.0, total)).astype(np.float32)
