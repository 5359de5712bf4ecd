"""Communities by libraries that people use: their graph is made from ours, then they search."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import scipy.sparse

from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.data import GraphData

Search = Callable[[GraphData], np.ndarray]


def _edges_once(graph: GraphData) -> tuple[np.ndarray, np.ndarray]:
    row, col = row_of_edge(graph.rowptr, graph.num_edges).numpy(), graph.col.numpy()
    once = row < col
    return row[once], col[once]


def igraph_leiden(graph: GraphData) -> np.ndarray:
    """Two iterations of igraph's Leiden."""
    igraph = import_module("igraph")
    theirs = igraph.Graph(graph.num_nodes, np.stack(_edges_once(graph), axis=1))
    random.seed(0)
    igraph.set_random_number_generator(random)
    return np.asarray(theirs.community_leiden("modularity", n_iterations=2).membership)


def _networkit(graph: GraphData, method: str) -> np.ndarray:
    networkit = import_module("networkit")
    networkit.setNumberOfThreads(1)
    networkit.setSeed(0, False)
    first, second = (ends.astype(np.uint64) for ends in _edges_once(graph))
    ones = np.ones(len(first))
    theirs = networkit.GraphFromCoo((ones, (first, second)), n=graph.num_nodes)
    search = getattr(networkit.community, method)(theirs)
    search.run()
    return np.asarray(search.getPartition().getVector())


def networkit_plm(graph: GraphData) -> np.ndarray:
    """The Louvain method of networkit, on one thread."""
    return _networkit(graph, "PLM")


def networkit_leiden(graph: GraphData) -> np.ndarray:
    """The Leiden method of networkit, on one thread."""
    return _networkit(graph, "ParallelLeiden")


def sknetwork_louvain(graph: GraphData) -> np.ndarray:
    """The Louvain method of scikit-network."""
    clustering: Any = import_module("sknetwork.clustering")
    arrays = np.ones(graph.num_edges, bool), graph.col.numpy(), graph.rowptr.numpy()
    matrix = scipy.sparse.csr_matrix(arrays, (graph.num_nodes, graph.num_nodes))
    return np.asarray(clustering.Louvain(random_state=0).fit_predict(matrix))


PEERS: dict[str, tuple[str, Search]] = {  # side -> what it needs, and what it does
    "igraph leiden": ("igraph", igraph_leiden),
    "networkit plm": ("networkit", networkit_plm),
    "networkit leiden": ("networkit", networkit_leiden),
    "scikit-network louvain": ("sknetwork", sknetwork_louvain),
}


def installed() -> dict[str, Search]:
    """Return the sides whose package is here."""
    return {side: search for side, (name, search) in PEERS.items() if find_spec(name)}
