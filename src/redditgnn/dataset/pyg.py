"""Node classification datasets of PyG that are one graph: any class, by its import path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from redditgnn.dataset.base import ConvertedGraph, Labels, RawGraph
from redditgnn.dataset.cache import LOADING_KEYS, cached
from redditgnn.dataset.half_precision import FeatureDtype
from redditgnn.dataset.rawfiles import find_copy
from redditgnn.dataset.source import Source
from redditgnn.dataset.split import SplitRule, count_public_splits
from redditgnn.dataset.validation import convert_graph, row_normalized
from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData


def load(
    data_dir: Path,
    *,
    name: str,
    source: str,
    arguments: dict[str, Any],
    folder: str,
    normalize_features: bool,
    split: Literal["public", "random"],
    split_index: int,
    split_seed: int,
    train_per_class: int,
    val_per_class: int,
    feature_dtype: FeatureDtype,
    expected: dict[str, int | None] | None,
    download_size: str,
) -> GraphData:
    """Load from the cache, or convert the files in `data_dir / folder` that class `source` reads.

    Raises:
        DataError: files are missing, damaged, or contradict themselves or `expected`.
        ConfigError: `source`, `arguments` or the split do not fit.
    """
    parameters = {key: value for key, value in locals().items() if key not in LOADING_KEYS}
    rule = SplitRule(
        kind=split,
        index=split_index,
        seed=split_seed,
        train_per_class=train_per_class,
        val_per_class=val_per_class,
    )
    files = Source(
        name=name, path=source, arguments=arguments, root=data_dir / folder, size=download_size
    )
    counts = _expected_counts(expected, split)

    def convert() -> ConvertedGraph:
        return _convert(files, rule, counts, normalize_features)

    return cached(data_dir, name, parameters, convert, feature_dtype)


def _convert(
    files: Source, rule: SplitRule, expected: Mapping[str, int | None] | None, normalize: bool
) -> ConvertedGraph:
    dataset = files.open()
    if expected is not None:
        _refuse_copies(files.name, dataset.raw_paths)
    raw = _raw_graph(files.name, dataset, rule, normalize=normalize)
    return convert_graph(files.name, raw, expected, dataset.raw_paths)


def _refuse_copies(name: str, raw_paths: Sequence[str]) -> None:
    if (path := find_copy([Path(path) for path in raw_paths])) is not None:
        raise DataError(
            f"dataset={name}: {path} was written by 'redditgnn data --raw' and is not the "
            "original; set dataset.expected=null to use it anyway"
        )


def _expected_counts(
    expected: Mapping[str, int | None] | None, split: str
) -> dict[str, int | None] | None:
    """Drop the expected sizes of the public split if another one is drawn."""
    if expected is None:
        return None
    sizes = ("num_train", "num_val", "num_test") if split == "random" else ()
    return {key: count for key, count in expected.items() if key not in sizes}


def _raw_graph(name: str, dataset: Any, rule: SplitRule, *, normalize: bool) -> RawGraph:
    if len(dataset) != 1:
        raise DataError(f"dataset={name}: one graph is needed, {type(dataset).__name__} has more")
    data = dataset[0]
    for key in ("x", "y", "edge_index"):
        if getattr(data, key, None) is None:
            raise DataError(
                f"dataset={name}: {type(dataset).__name__} has no {key}; choose a dataset with "
                "node features, node labels and edges"
            )
    x, y = features(data.x), labels(data.y)
    if x.ndim != 2 or x.shape[1] == 0:
        raise DataError(
            f"dataset={name}: features must be a table, a row a node, got the shape {x.shape}"
        )
    return RawGraph(
        x=row_normalized(x) if normalize else x,
        edge_index=data.edge_index.numpy(),
        y=y,
        masks=rule.masks(data, y),
        num_splits=count_public_splits(data),
    )


def features(x: Any) -> Float32[ndarray, "*shape"]:
    """Return PyG's dense or sparse features as a dense float32 array."""
    dense = x if x.layout == torch.strided else x.to_dense()
    return dense.float().numpy()


def labels(y: Any) -> Labels:
    """Return class indices as int64, and several labels per node as float32 0/1."""
    array: ndarray = y.numpy()
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return array.astype(np.int64 if array.ndim == 1 else np.float32, copy=False)
