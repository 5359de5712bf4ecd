"""A person's own graph: a file of edges and a file of nodes, as CSV, Parquet or NumPy arrays."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from typing_extensions import TypedDict, Unpack

from redditgnn.dataset.base import ConvertedGraph, EdgeRules, Labels, Mask, RawGraph
from redditgnn.dataset.cache import cached
from redditgnn.dataset.edge_files import EdgeColumns, read_edges
from redditgnn.dataset.feature_columns import (
    Missing,
    fill_missing,
    join_features,
    read_feature_file,
)
from redditgnn.dataset.half_precision import FeatureDtype
from redditgnn.dataset.label_columns import NodeLabels, read_labels
from redditgnn.dataset.labels import LabelKind
from redditgnn.dataset.node_files import NodeColumns, Nodes, read_nodes
from redditgnn.dataset.split_columns import DrawRule, SplitKind, read_split
from redditgnn.dataset.validation import convert_graph, is_labelled
from redditgnn.errors import ConfigError, DataError, require, require_positive
from redditgnn.graph.data import TIMES, GraphData, Names

Column = str | int
_GENERIC = re.compile(r"(edges?|edge_?list|edge_?index|graph|links|nodes)?", re.IGNORECASE)
_LOG = logging.getLogger(__name__)


class FileSettings(TypedDict):
    """The keys by which files are read. Columns are names, numbers without a header, or `auto`."""

    source_column: Column
    destination_column: Column
    edge_weight: Column | bool
    edge_time: Column | None
    edges_header: bool | None
    id_column: Column | None
    label_column: Column | list[Column] | None
    label_separator: str | None
    labels: LabelKind
    feature_columns: Column | list[Column]
    split_column: Column | list[Column] | None
    node_time: Column | None
    nodes_header: bool | None
    max_categories: int
    missing: Missing
    undirected: bool | None
    duplicates: Literal["first", "sum", "refuse"]
    self_loops: Literal["drop", "refuse"]
    unknown_ids: Literal["drop", "refuse"]
    split: SplitKind
    split_seed: int
    train_ratio: int | float
    val_ratio: int | float
    train_per_class: int
    val_per_class: int


def load(
    data_dir: Path,
    *,
    name: str | None,
    edges: str | None,
    nodes: str | None,
    features: str | None,
    feature_dtype: FeatureDtype,
    **settings: Unpack[FileSettings],
) -> GraphData:
    """Load from the cache, or read the files. Their paths are relative to the current folder.

    Raises:
        DataError: a file is missing, damaged, or contradicts itself or the other.
        ConfigError: a file has no such column, or a value is outside its range.
    """
    paths = _Paths.of(edges=edges, nodes=nodes, features=features)
    name = name or paths.graph_name()
    reader = _Reader.of(name, paths, settings)
    keys = {key: value for key, value in settings.items() if key not in TIMES or value is not None}
    parameters = {"name": name, "files": list(map(str, paths.all())), **keys}
    return cached(data_dir, name, parameters, reader.convert, feature_dtype)


def _edge_columns(settings: FileSettings) -> EdgeColumns:
    return EdgeColumns(
        source=str(settings["source_column"]),
        destination=str(settings["destination_column"]),
        weight=_text(settings["edge_weight"] or None),
        time=_text(settings["edge_time"]),
        header=settings["edges_header"],
        unknown_ids=settings["unknown_ids"],
    )


def _node_columns(settings: FileSettings, *, has_feature_file: bool) -> NodeColumns:
    require_positive("dataset.max_categories", settings["max_categories"])
    split = settings["split_column"]
    return NodeColumns(
        id=_text(settings["id_column"]),
        label=None if settings["label_column"] is None else _texts(settings["label_column"]),
        split=None if split is None else _texts(split),
        time=_text(settings["node_time"]),
        features=_texts(settings["feature_columns"]),
        has_feature_file=has_feature_file,
        header=settings["nodes_header"],
        max_categories=settings["max_categories"],
    )


def _draw_rule(settings: FileSettings) -> DrawRule:
    return DrawRule(
        kind=settings["split"],
        seed=settings["split_seed"],
        train_per_class=settings["train_per_class"],
        val_per_class=settings["val_per_class"],
        train_ratio=settings["train_ratio"],
        val_ratio=settings["val_ratio"],
    )


def _text(column: Column | None) -> str | None:
    return None if column is None else str(column)


def _texts(columns: Column | Sequence[Column]) -> str | list[str]:
    return [str(c) for c in columns] if isinstance(columns, list) else str(columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Paths:
    """Absolute paths, since the cache must not mistake the files of one folder for another's."""

    edges: Path
    nodes: Path
    features: Path | None

    @classmethod
    def of(cls, *, edges: str | None, nodes: str | None, features: str | None) -> _Paths:
        for key, value in (("edges", edges), ("nodes", nodes)):
            if not value:
                raise ConfigError(
                    f"dataset.{key} must name a file, got {value}; for example dataset=files "
                    "dataset.edges=edges.csv dataset.nodes=nodes.csv"
                )
        require(features != "", "dataset.features must name a file or be null, got ''")
        feature_path = None if features is None else Path(features).absolute()
        return cls(
            edges=Path(str(edges)).absolute(),
            nodes=Path(str(nodes)).absolute(),
            features=feature_path,
        )

    def graph_name(self) -> str:
        """Return the stem of the edges' file, or its folder's name if it is just `edges`."""
        stem = self.edges.name.partition(".")[0]
        title = self.edges.parent.name if _GENERIC.fullmatch(stem) else stem
        return re.sub(r"[^\w.-]", "_", title).strip("_.-") or "files"

    def all(self) -> list[Path]:
        return [path for path in (self.edges, self.nodes, self.features) if path is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    """The settings by which files become a graph."""

    name: str
    paths: _Paths
    edge_columns: EdgeColumns
    node_columns: NodeColumns
    label_separator: str | None
    labels: LabelKind
    missing: Missing
    rules: EdgeRules
    draw: DrawRule

    @classmethod
    def of(cls, name: str, paths: _Paths, settings: FileSettings) -> _Reader:
        return cls(
            name=name,
            paths=paths,
            edge_columns=_edge_columns(settings),
            node_columns=_node_columns(settings, has_feature_file=paths.features is not None),
            label_separator=settings["label_separator"],
            labels=settings["labels"],
            missing=settings["missing"],
            rules=EdgeRules(
                undirected=settings["undirected"],
                duplicates=settings["duplicates"],
                self_loops=settings["self_loops"],
            ),
            draw=_draw_rule(settings),
        )

    def convert(self) -> ConvertedGraph:
        """Read all files."""
        nodes = read_nodes(self.name, self.paths.nodes, self.node_columns)
        labels, masks = self._labels(nodes)
        matrix = None
        if self.paths.features is not None:
            matrix = read_feature_file(self.paths.features, len(nodes.ids))
        x, feature_names = join_features(nodes.features, matrix, len(nodes.ids))
        if x.shape[1] == 0:
            raise DataError(
                f"{nodes.where} has no feature columns; add some, or give a file of features with "
                "dataset.features=features.npy"
            )
        sources = [f"dataset.features={self.paths.features}"] if matrix is not None else []
        sources += [nodes.where] if nodes.features else []
        where = " and ".join(sources)
        num_missing = fill_missing(where, x, feature_names, nodes.ids, self.missing)
        edges = read_edges(self.name, self.paths.edges, self.edge_columns, nodes.ids)
        raw = RawGraph(
            x=x,
            edge_index=edges.edge_index,
            y=labels.y,
            masks=masks,
            edge_weight=edges.weight,
            node_time=nodes.time,
            edge_time=edges.time,
            names=Names(nodes=nodes.ids.names, features=feature_names, classes=labels.classes),
        )
        graph = convert_graph(
            *(self.name, raw, None, self.paths.all(), self.rules),
            needs_labels=self.node_columns.label is not None,
        )
        left_out = {"columns_left_out": nodes.left_out, "missing_features": num_missing}
        return replace(graph, facts={**graph.facts, **edges.facts, **left_out})

    def _labels(self, nodes: Nodes) -> tuple[NodeLabels, tuple[Mask, Mask, Mask]]:
        """Return labels and splits, which are empty where the files have no labels."""
        if self.node_columns.label is None:
            nowhere = np.zeros(len(nodes.ids), dtype=bool)
            labels = NodeLabels(np.full(len(nodes.ids), -1, dtype=np.int64), ())
            return labels, (nowhere, nowhere, nowhere)
        labels = read_labels(
            *(self.name, nodes.where, nodes.labels, nodes.ids),
            separator=self.label_separator,
            kind=self.labels,
        )
        _say_unlabelled(self.name, labels.y)
        return labels, self._masks(nodes, labels)

    def _masks(self, nodes: Nodes, labels: NodeLabels) -> tuple[Mask, Mask, Mask]:
        if self.draw.kind == "public" and not nodes.split:
            raise ConfigError(
                f"dataset.split=public: {nodes.where} has no column called split; name it with "
                "dataset.split_column, or draw a split with dataset.split=ratio"
            )
        if self.draw.kind in ("auto", "public") and nodes.split:
            return read_split(nodes.where, nodes.split, labels.y, nodes.ids)
        if self.draw.kind == "auto":
            _LOG.warning(
                "dataset=%s: no split column, so %g of the labelled nodes are drawn for training "
                "and %g for validation (dataset.split=ratio, dataset.split_seed=%d)",
                self.name,
                self.draw.train_ratio,
                self.draw.val_ratio,
                self.draw.seed,
            )
        return self.draw.draw(labels.y, labels.classes)


def _say_unlabelled(name: str, y: Labels) -> None:
    labelled = int(is_labelled(y).sum())
    if labelled < len(y):
        _LOG.warning(
            "dataset=%s: %s of %s nodes have no label (blank, NaN, NA or -1)",
            *(name, f"{len(y) - labelled:,}", f"{len(y):,}"),
        )
