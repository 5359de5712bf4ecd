"""The columns of predictions and of attention, with the names of nodes and classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64
from numpy import ndarray
from torch import Tensor

from redditgnn.evaluation.exact import EdgeAttention
from redditgnn.graph.data import SPLITS, GraphData

ROWS_AT_ONCE = 2**14
Selection = Literal["all", "train", "val", "test"]
BETWEEN_LABELS = "|"
"""Stands between the classes of a node that has several. In a name it has a backslash before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Columns of equal length. A column is one array [rows], or several side by side [rows, n].

    `parts` names the arrays of a column that has several.
    """

    columns: dict[str, ndarray]
    parts: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def pieces(self) -> Iterator[Table]:
        """Cut the table into runs of rows."""
        for start in range(0, max(1, len(self)), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            columns = {name: values[rows] for name, values in self.columns.items()}
            yield Table(columns=columns, parts=self.parts)

    def frame(self) -> pd.DataFrame:
        """Return a DataFrame, whose columns are named `COLUMN_PART` where there are several."""
        flat = {}
        for name, values in self.columns.items():
            if values.ndim == 1:
                flat[name] = values
                continue
            flat |= {
                f"{name}_{part}": values[:, index] for index, part in enumerate(self.parts[name])
            }
        return pd.DataFrame(flat)


class AttentionWriter:
    """Hears the attention of edges, and writes that of the destinations in a split.

    Attributes:
        num_rows: How many rows were written.
    """

    def __init__(
        self, graph: GraphData, split: Selection, heads: int, write: Callable[[Table], None]
    ) -> None:
        self._graph, self._heads, self._write = graph, heads, write
        self._mask = None if split == "all" else graph.mask(split)
        self.num_rows = 0

    def __call__(self, edges: EdgeAttention) -> None:
        if self._mask is not None:
            inside = self._mask[edges.destination]
            edges = EdgeAttention(edges.layer, *(values[inside] for values in edges[1:]))
        self._write(attention_table(self._graph, edges, self._heads))
        self.num_rows += len(edges.source)


def selected_nodes(graph: GraphData, split: Selection) -> Int64[Tensor, " rows"]:
    """Return the nodes of a split, in their order."""
    if split == "all":
        return torch.arange(graph.num_nodes)
    return graph.mask(split).nonzero().view(-1)


def prediction_table(
    graph: GraphData,
    classes: tuple[str, ...],
    node_ids: Int64[Tensor, " rows"],
    predicted: Int64[Tensor, " nodes"] | Bool[Tensor, "nodes classes"],
    probability: Float[Tensor, "nodes classes"],
    embedding: Float[Tensor, "nodes width"] | None,
) -> Table:
    """Return a row for each of `node_ids`. `classes` are those that the model knows."""
    columns = {
        "node": node_names(graph, node_ids),
        "split": split_names(graph, node_ids),
        "label": class_names(graph.y[node_ids], graph.names.classes),
        "predicted": class_names(predicted[node_ids], classes),
        "probability": probability[node_ids].numpy(),
    }
    parts = {"probability": classes}
    if embedding is not None:
        columns["embedding"] = embedding[node_ids].numpy()
        parts["embedding"] = tuple(map(str, range(embedding.size(1))))
    return Table(columns=columns, parts=parts)


def attention_table(graph: GraphData, edges: EdgeAttention, heads: int) -> Table:
    """Return a row for each edge. Layers count from 1. Layers with fewer heads leave some empty."""
    alpha = np.full((len(edges.source), heads), np.nan, np.float32)
    alpha[:, : edges.alpha.size(1)] = edges.alpha.numpy()
    columns = {
        "source": node_names(graph, edges.source),
        "destination": node_names(graph, edges.destination),
        "layer": np.full(len(edges.source), edges.layer + 1),
        "head": alpha,
    }
    return Table(columns=columns, parts={"head": tuple(map(str, range(1, heads + 1)))})


def node_names(graph: GraphData, node_ids: Int64[Tensor, " rows"]) -> ndarray:
    """Return what the files call these nodes, or their numbers."""
    nodes = graph.names.nodes
    if nodes is None:
        return node_ids.numpy()
    names = nodes[node_ids.numpy()]
    return names.astype(str) if names.dtype == object else names


def split_names(graph: GraphData, node_ids: Int64[Tensor, " rows"]) -> ndarray:
    """Return the split of each node, an empty text for none."""
    masks = [graph.mask(split)[node_ids].numpy() for split in SPLITS]
    return np.select(masks, SPLITS, "")


def escape(name: str) -> str:
    r"""Return a class's name as it stands in a list of several: `a|b` as `a\|b`."""
    return name.replace("\\", r"\\").replace(BETWEEN_LABELS, f"\\{BETWEEN_LABELS}")


def class_names(
    labels: Int64[Tensor, " rows"] | Bool[Tensor, "rows classes"] | Float[Tensor, "rows classes"],
    classes: tuple[str, ...] | None,
) -> ndarray:
    """Return the class of each node as text, or all that it has. Empty where it has no label."""
    if labels.dim() == 2:
        names = np.array([escape(name) for name in classes or map(str, range(labels.size(1)))])
        rows = (labels > 0).numpy()
        return np.array([BETWEEN_LABELS.join(names[row]) for row in rows], dtype=str)
    if classes is None:
        text = labels.numpy().astype(str)
    else:
        text = np.array([*classes, ""])[labels.numpy()]  # -1 is the last
    return np.where(labels.numpy() < 0, "", text)
