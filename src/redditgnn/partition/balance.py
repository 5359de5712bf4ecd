"""Parts of equal size from communities, which have any size."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from redditgnn.graph.data import GraphData
from redditgnn.partition.adjacency import undirected
from redditgnn.partition.leiden import Leiden
from redditgnn.partition.search import find_communities

RESOLUTIONS = (1, 4, 16, 64, 256)  # coarse to fine, until communities are smaller than parts


def leiden_parts(graph: GraphData, num_parts: int) -> Int64[ndarray, " nodes"]:
    """Return the part of each node. Sizes differ by at most one.

    Nodes are ordered by their community, inside of it by that of a finer partition, and so on. The
    order is cut into equal pieces. So a large community is split along finer ones, and small ones
    share a part.
    """
    adjacency, num_nodes = undirected(graph), graph.num_nodes
    partitions: list[ndarray] = []
    for resolution in RESOLUTIONS:
        best = find_communities(_leiden(resolution), adjacency).best
        partitions.append(best.membership)
        if best.blocks.sizes[0] * num_parts <= num_nodes:  # the largest fits
            break
    order = np.lexsort(partitions[::-1])  # the last key is the first to be sorted by
    part = np.empty(num_nodes, np.int64)
    part[order] = np.arange(num_nodes) * num_parts // num_nodes
    return part


def _leiden(resolution: int) -> Leiden:
    return Leiden(
        objective="modularity",
        resolution=resolution,
        weights="auto",
        iterations=2,
        restarts=1,
        seed=0,
    )
