"""PPI: the graphs of 24 tissues as one graph without edges between them.

Twenty train, two validate, two test (Hamilton et al. 2017, arXiv:1706.02216).
"""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from redditgnn.dataset.base import ConvertedGraph, EdgeRules, RawGraph
from redditgnn.dataset.cache import LOADING_KEYS, cached
from redditgnn.dataset.half_precision import FeatureDtype
from redditgnn.dataset.source import Source
from redditgnn.dataset.validation import convert_graph
from redditgnn.graph.data import GraphData


def load(
    data_dir: Path,
    *,
    name: str,
    folder: str,
    undirected: bool | None,
    feature_dtype: FeatureDtype,
    expected: dict[str, int | None] | None,
    download_size: str,
) -> GraphData:
    """Load from the cache, or convert the files in `data_dir / folder`.

    Raises:
        DataError: files are missing, damaged, or contradict themselves or `expected`.
    """
    parameters = {key: value for key, value in locals().items() if key not in LOADING_KEYS}
    files = Source(
        name=name,
        path="torch_geometric.datasets.PPI",
        arguments={},
        root=data_dir / folder,
        size=download_size,
        original=expected is not None,
    )

    def convert() -> ConvertedGraph:
        with files.open() as opened:
            raw = _disjoint_union(opened.dataset)
        rules = EdgeRules(undirected=undirected)
        return convert_graph(name, raw, expected, opened.files, rules)

    return cached(data_dir, name, parameters, convert, feature_dtype)


def _disjoint_union(dataset: Any) -> RawGraph:
    graphs, split_of_node = [], []
    for split, path in enumerate(dataset.processed_paths):  # of train, val, test, just written
        dataset.load(path)
        graphs += list(dataset)
        split_of_node += [split] * sum(graph.num_nodes for graph in dataset)
    starts = accumulate((graph.num_nodes for graph in graphs), initial=0)
    edges = [graph.edge_index.numpy() + start for graph, start in zip(graphs, starts, strict=False)]
    train, val, test = (np.array(split_of_node) == split for split in range(3))
    return RawGraph(
        x=np.concatenate([graph.x.numpy() for graph in graphs]),
        edge_index=np.concatenate(edges, axis=1),
        y=np.concatenate([graph.y.numpy() for graph in graphs]),
        masks=(train, val, test),
    )
