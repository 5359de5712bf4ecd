"""What a graph is like in each snapshot: a row of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from redditgnn.dataset.statistics import edge_statistics
from redditgnn.evolution.stages import Stage

SHARE = "share of "  # ... a class: the beginning of the names of columns
Row = dict[str, float | int | None]


def describe(stage: Stage, *, new_nodes: int) -> Row:
    """Return sizes, homophily, and the shares of the labels among labelled nodes.

    An edge in either direction, or in both, counts once, and so do repeated edges. `entries` counts
    all that the graph holds. `new_nodes` are those that are in no earlier snapshot.
    """
    statistics = edge_statistics(stage.graph)
    return {
        "start": stage.window.start,
        "end": stage.window.end,
        "nodes": stage.num_nodes,
        "new_nodes": new_nodes,
        "edges": stage.num_edges,
        "entries": stage.num_entries,
        "mean_degree": 2 * stage.num_edges / stage.num_nodes if stage.num_nodes else None,
        "homophily": statistics.homophily,
        "adjusted_homophily": statistics.adjusted_homophily,
        **_label_shares(stage),
    }


def _label_shares(stage: Stage) -> Row:
    """Return the share of each class among labelled nodes. Several labels a node count each."""
    graph, y = stage.graph, stage.graph.y.numpy()[stage.active]
    labelled = y[y >= 0] if y.ndim == 1 else y[(y >= 0).all(1)]
    if y.ndim == 1:
        counts = np.bincount(labelled.astype(np.int64), minlength=graph.num_classes)
    else:
        counts = labelled.sum(0)
    names = [f"{SHARE}{name}" for name in graph.class_names]
    if not len(labelled):
        return dict.fromkeys(names)
    return dict(zip(names, (counts / len(labelled)).tolist(), strict=True))


def densification_exponent(nodes: Sequence[int], edges: Sequence[int]) -> float | None:
    """Return the slope of log(edges) against log(nodes) by least squares (Leskovec et al. 2005).

    The numbers are those of a graph that grows. 1: the mean degree stays the same. 2: every node
    keeps its share of the others as neighbours. None while the number of nodes is the same.
    """
    counts = np.array([nodes, edges], np.float64).T
    log_nodes, log_edges = np.log(counts[(counts > 0).all(1)]).T
    if not len(log_nodes) or np.ptp(log_nodes) == 0:
        return None
    centred = log_nodes - log_nodes.mean()
    return float(centred @ log_edges / (centred @ centred))
