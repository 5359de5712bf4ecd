"""Node classification datasets for PyG: any class or function, by its import path."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from redditgnn.dataset.base import ConvertedGraph, EdgeRules, RawGraph
from redditgnn.dataset.cache import LOADING_KEYS, cached
from redditgnn.dataset.half_precision import FeatureDtype
from redditgnn.dataset.join import join_graphs, read_graph
from redditgnn.dataset.labels import LabelKind, read_labels
from redditgnn.dataset.rawfiles import find_copy
from redditgnn.dataset.source import Source, default_folder
from redditgnn.dataset.split import (
    SplitRule,
    SplitSettings,
    count_splits,
    refuse_missing_masks,
)
from redditgnn.dataset.times import read_node_times, times_path
from redditgnn.dataset.validation import check_labels, convert_graph, row_normalized
from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData, Names

_LOG = logging.getLogger(__name__)


def load(
    data_dir: Path,
    *,
    name: str,
    source: str,
    arguments: dict[str, Any],
    folder: str | None,
    normalize_features: bool,
    undirected: bool | None,
    edge_weight: bool | None,
    labels: LabelKind,
    times: str | None,
    feature_dtype: FeatureDtype,
    expected: dict[str, int | None] | None,
    download_size: str,
    **split: Unpack[SplitSettings],
) -> GraphData:
    """Load from the cache, or convert what `source`, a dataset class or function, gives.

    Raises:
        DataError: files are missing, damaged, or contradict themselves or `expected`.
        ConfigError: `source`, `arguments` or the split do not fit.
    """
    others = (*LOADING_KEYS, "split", "times")
    values = {key: value for key, value in locals().items() if key not in others}
    values |= _times_parameter(times)
    rule = SplitRule.of(split)
    counts = _expected_counts(expected, rule.kind)

    def convert() -> ConvertedGraph:
        place = default_folder(source) if folder is None else folder
        origin = Source(
            name=name,
            path=source,
            arguments=arguments,
            root=data_dir / place,
            size=download_size,
            seed=rule.seed,
            original=expected is not None,
        )
        with origin.open() as opened:
            if counts is not None:
                _refuse_copies(name, opened.raw_paths)
            raw = _raw_graph(name, opened.graphs(), rule, labels, edge_weight)
        if normalize_features:
            raw = row_normalized(name, raw)
        raw, used = _with_times(name, raw, times, rule)
        files = (*opened.files, *used)
        return convert_graph(name, raw, counts, files, EdgeRules(undirected=undirected))

    return cached(data_dir, name, {**values, **split}, convert, feature_dtype)


def _times_parameter(times: str | None) -> dict[str, str]:
    """Return the parameter of the cache. Caches from before there were times have none."""
    return {} if times is None else {"times": str(times_path(times) or times)}


def _with_times(
    name: str, raw: RawGraph, times: str | None, rule: SplitRule
) -> tuple[RawGraph, list[Path]]:
    """Return `raw` with the times of nodes, and the file that they were read from."""
    if times is None:
        return raw, []
    path, is_public = times_path(times), rule.kind == "public"
    masks = [mask for mask in raw.masks if mask is not None]
    node_time = read_node_times(name, times, masks, is_public=is_public)
    return replace(raw, node_time=node_time), [] if path is None else [path]


def _refuse_copies(name: str, raw_paths: Sequence[Path]) -> None:
    if (path := find_copy(raw_paths)) is not None:
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
    sizes = () if split == "public" else ("num_train", "num_val", "num_test")
    return {key: count for key, count in expected.items() if key not in sizes}


def _raw_graph(
    name: str, graphs: Sequence[Any], rule: SplitRule, labels: LabelKind, edge_weight: bool | None
) -> RawGraph:
    parts = [read_graph(name, data, edge_weight) for data in graphs]
    if rule.kind == "public":
        refuse_missing_masks(name, graphs)
    if len(parts) > 1:
        _say_joined(name, len(parts), rule)
    whole = join_graphs(name, parts)
    named = read_labels(name, whole.y, labels)
    check_labels(name, named.y)
    graph_ids = whole.graph_ids if len(parts) > 1 else None
    return RawGraph(
        x=whole.x,
        edge_index=whole.edge_index,
        y=named.y,
        masks=rule.masks(whole.masks, named.y, graph_ids, named.classes),
        edge_weight=whole.edge_weight,
        names=Names(classes=named.classes),
        num_splits=count_splits(whole.masks),
        edge_values_left_out=whole.unused,
    )


def _say_joined(name: str, num_graphs: int, rule: SplitRule) -> None:
    nodes = (
        ", and dataset.split=random draws nodes of each; dataset.split=ratio draws whole graphs"
        if rule.kind == "random"
        else ""
    )
    _LOG.warning("dataset=%s: %d graphs become one, not connected%s", name, num_graphs, nodes)
