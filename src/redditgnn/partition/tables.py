"""Tables of communities: a row a community, a pair of them, or a community and a label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int, Int32
from numpy import ndarray

from redditgnn.graph.data import SPLITS, GraphData
from redditgnn.partition.blocks import Blocks

UNLABELLED = -1


class Labelled(NamedTuple):
    """The class of each node, -1 where it has none, and the names of the classes.

    `predicted` is what a model says of every node, None without a model.
    """

    y: Int[ndarray, " nodes"]
    classes: tuple[str, ...]
    predicted: Int[ndarray, " nodes"] | None = None


def labels_of(graph: GraphData, predicted: Int[ndarray, " nodes"] | None) -> Labelled | None:
    """Return the labels of a graph, or None if its nodes may have several."""
    if graph.y.dim() == 2:
        return None
    return Labelled(graph.y.numpy(), graph.class_names, predicted)


def community_table(
    graph: GraphData,
    membership: Int32[ndarray, " nodes"],
    blocks: Blocks,
    labelled: Labelled | None,
) -> pd.DataFrame:
    """Return a row for each community, from the largest to the smallest.

    Conductance is the weight of edges that leave it, over that of all edges at its nodes or at the
    other nodes, whichever is less. Shares of nothing are empty.
    """
    count = len(blocks.sizes)
    volume, inside = blocks.volume(blocks.weight), blocks.inside(blocks.weight)
    columns = {
        "community": np.arange(count),
        "size": blocks.sizes,
        "edges_inside": (blocks.inside(blocks.edges) / 2).astype(np.int64),
        "edges_out": (blocks.volume(blocks.edges) - blocks.inside(blocks.edges)).astype(np.int64),
        "conductance": _ratio(volume - inside, np.minimum(volume, volume.sum() - volume)),
        "inner_degree_share": _ratio(inside, volume),
    }
    if labelled is not None:
        columns |= label_columns(membership, count, labelled)
    for split in SPLITS:
        nodes = membership[graph.mask(split).numpy()]
        columns[f"{split}_share"] = np.bincount(nodes, minlength=count) / blocks.sizes
    if labelled is not None and labelled.predicted is not None:
        columns |= _score_columns(membership[graph.test_mask.numpy()], count, labelled, graph)
    return pd.DataFrame(columns)


def block_table(blocks: Blocks) -> pd.DataFrame:
    """Return a row for each two communities with edges between them, and for edges inside of one.

    Every edge counts once.
    """
    once = blocks.first <= blocks.second
    first, second = blocks.first[once], blocks.second[once].astype(np.int64)
    ends = np.where(first == second, 2, 1)
    columns = {"community": first, "other": second}
    columns["edges"] = (blocks.edges[once] / ends).astype(np.int64)
    if blocks.logs is not None:
        columns["weight"] = blocks.weight[once] / ends
    return pd.DataFrame(columns)


def label_table(membership: Int32[ndarray, " nodes"], labelled: Labelled) -> pd.DataFrame:
    """Return a row for each community and label with nodes in both. No label is an empty one."""
    community, label, nodes = _cells(membership, labelled.y)
    names = np.array([*labelled.classes, ""], dtype=object)
    return pd.DataFrame({"community": community, "label": names[label], "nodes": nodes})


def _cells(
    membership: Int32[ndarray, " nodes"], label: Int[ndarray, " nodes"]
) -> tuple[ndarray, ndarray, ndarray]:
    """Return each community and label that occur together, in ascending order, and how often."""
    width = int(label.max(initial=0)) + 2  # -1 comes first
    cells, nodes = np.unique(membership.astype(np.int64) * width + label + 1, return_counts=True)
    return cells // width, cells % width - 1, nodes


def label_columns(
    membership: Int32[ndarray, " nodes"], count: int, labelled: Labelled
) -> dict[str, ndarray]:
    """Return for each of `count` communities its labelled nodes, top label, and share of that."""
    community, label, nodes = _cells(membership, labelled.y)
    known = label != UNLABELLED
    community, label, nodes = community[known], label[known], nodes[known]
    order = np.lexsort((label, -nodes, community))
    owner, first = np.unique(community[order], return_index=True)
    top, most = np.full(count, len(labelled.classes)), np.zeros(count)
    top[owner], most[owner] = label[order][first], nodes[order][first]
    number = np.bincount(community, nodes, count)
    names = np.array([*labelled.classes, ""], dtype=object)
    return {
        "labelled": number.astype(np.int64),
        "top_label": names[top],
        "purity": _ratio(most, number),
    }


def _score_columns(
    tested: Int32[ndarray, " tested"], count: int, labelled: Labelled, graph: GraphData
) -> dict[str, ndarray]:
    """Return the accuracy on the test nodes of each community, and its share of all errors."""
    assert labelled.predicted is not None
    test = graph.test_mask.numpy()
    wrong = (labelled.predicted[test] != labelled.y[test]).astype(np.float64)
    number, errors = np.bincount(tested, minlength=count), np.bincount(tested, wrong, count)
    return {
        "test_accuracy": 1 - _ratio(errors, number),
        "test_error_share": _ratio(errors, np.full(count, wrong.sum())),
    }


def _ratio(part: ndarray, whole: ndarray) -> ndarray:
    """Divide, and give NaN where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
