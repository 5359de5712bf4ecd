"""Leiden beside the implementations of igraph and networkit on real graphs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.partition.adjacency import undirected
from redditgnn.partition.leiden import Leiden
from redditgnn.partition.search import find_communities

DATASETS = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}


def pairs_of(graph: GraphData) -> np.ndarray:
    """Each edge once."""
    rows = np.repeat(np.arange(graph.num_nodes), graph.degree.numpy())
    pairs = np.stack([rows, graph.col.numpy()], axis=1)
    return pairs[pairs[:, 0] < pairs[:, 1]]


def igraph_modularity(graph: GraphData) -> float:
    igraph = pytest.importorskip("igraph")
    theirs = igraph.Graph(graph.num_nodes, pairs_of(graph))
    random.seed(0)
    igraph.set_random_number_generator(random)
    found = theirs.community_leiden("modularity", n_iterations=2)
    return float(theirs.modularity(found.membership))


def networkit_modularity(graph: GraphData) -> float:
    networkit = pytest.importorskip("networkit")
    networkit.setNumberOfThreads(1)
    networkit.setSeed(0, False)
    theirs = networkit.Graph(graph.num_nodes)
    for first, second in pairs_of(graph).tolist():
        theirs.addEdge(first, second)
    method = networkit.community.ParallelLeiden(theirs)
    method.run()
    return float(networkit.community.Modularity().getQuality(method.getPartition(), theirs))


@pytest.mark.realdata
@pytest.mark.parametrize("name", DATASETS)
def test_the_modularity_is_within_2_thousandths_of_igraph_and_networkit(name, link_raw):
    settings = compose_settings([f"dataset={name}"])
    graph = settings.build("dataset", link_raw(DATASETS[name]))
    method = Leiden(
        objective="modularity", resolution=1.0, weights="auto", iterations=2, restarts=3, seed=0
    )
    ours = find_communities(method, undirected(graph)).best.modularity
    assert ours >= igraph_modularity(graph) - 0.002
    assert ours >= networkit_modularity(graph) - 0.002
