"""Small adjacencies that embeddings read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from redditgnn.embedding.adjacency import Adjacency, adjacency_of


@pytest.fixture(scope="session")
def make_edges(make_graph: Callable) -> Callable[..., Adjacency]:
    """A function that draws small symmetric adjacencies."""
    return lambda **sizes: adjacency_of(make_graph(**sizes))
