"""Small graphs with times for the tests of evolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData, Names
from redditgnn.graph.fingerprint import Fingerprint

LABELS = ("0", "1", "2")


def graph_of(
    pairs: np.ndarray,
    num_nodes: int,
    *,
    edge_time: np.ndarray | None = None,
    node_time: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    classes: tuple[str, ...] = LABELS,
) -> GraphData:
    """A graph with these `pairs` [2, edges] in both directions."""
    rows, cols = np.concatenate([pairs, pairs[::-1]], axis=1)
    times = np.zeros(len(rows), np.int64) if edge_time is None else np.tile(edge_time, 2)
    order = np.lexsort((times, cols, rows))
    y = np.zeros(num_nodes, np.int64) if labels is None else labels
    turn = torch.arange(num_nodes) % 3
    return GraphData(
        name="small",
        x=torch.zeros(num_nodes, 1),
        rowptr=pointers(torch.from_numpy(np.bincount(rows, minlength=num_nodes))),
        col=torch.from_numpy(cols[order].astype(np.int32)),
        y=torch.from_numpy(y),
        num_classes=len(classes),
        names=Names(classes=classes),
        train_mask=turn == 0,
        val_mask=turn == 1,
        test_mask=turn == 2,
        fingerprint=Fingerprint("small"),
        edge_time=None if edge_time is None else torch.from_numpy(times[order]),
        node_time=None if node_time is None else torch.from_numpy(node_time),
    )


def planted(windows: Sequence[Sequence[range]]) -> tuple[np.ndarray, np.ndarray]:
    """Contacts of everybody in a group with all others of it, at one time a window.

    Between consecutive groups of a window there is one contact. Returns pairs and times.
    """
    pairs, times = list[tuple[int, int]](), list[int]()
    for time, groups in enumerate(windows):
        inside = [(i, j) for group in groups for i in group for j in group if i < j]
        bridges = [(a[0], b[0]) for a, b in zip(groups, groups[1:], strict=False)]
        pairs += inside + bridges
        times += [time] * (len(inside) + len(bridges))
    return np.array(pairs).T, np.array(times)
