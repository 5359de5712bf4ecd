"""Data roots for the loaders: real files linked in, or tiny ones written in the raw formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData

NUM_NODES, NUM_CLASSES = 30, 4


@pytest.fixture
def build() -> Callable[..., GraphData]:
    """Build a dataset as the command line does: `build(data_dir, "dataset=pubmed")`."""

    def built(data_dir: Path, *overrides: str) -> GraphData:
        graph = compose_settings(overrides).build("dataset", data_dir)
        assert isinstance(graph, GraphData)
        return graph

    return built


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail every download at once."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch_geometric.io.fs.cp", refuse)


def ring(num_nodes: int) -> np.ndarray:
    """Both directions of a ring, as (source, destination)."""
    left = np.arange(num_nodes)
    right = (left + 1) % num_nodes
    return np.stack([np.concatenate([left, right]), np.concatenate([right, left])])


@pytest.fixture
def saint_raw() -> Callable[..., None]:
    """Write the four files of Flickr and Yelp (GraphSAINT's format)."""

    def write(folder: Path, *, multi_label: bool = False, **replaced: object) -> None:
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        ones, ends = np.ones(2 * NUM_NODES, dtype=np.float32), ring(NUM_NODES)
        adjacency = sparse.csr_matrix((ones, ends), shape=(NUM_NODES, NUM_NODES))
        np.savez(
            folder / "adj_full.npz",
            data=adjacency.data,
            indices=replaced.get("indices", adjacency.indices),
            indptr=adjacency.indptr,
            shape=adjacency.shape,
        )
        np.save(folder / "feats.npy", replaced.get("x", rng.standard_normal((NUM_NODES, 5))))
        labels = rng.integers(0, 2, (NUM_NODES, NUM_CLASSES)) if multi_label else _every_class()
        class_map = {str(node): label for node, label in enumerate(labels.tolist())}
        (folder / "class_map.json").write_text(json.dumps(replaced.get("class_map", class_map)))
        role = {"tr": [*range(10)], "va": [*range(10, 20)], "te": [*range(20, NUM_NODES)]}
        (folder / "role.json").write_text(json.dumps(replaced.get("role", role)))

    return write


def _every_class() -> np.ndarray:
    return np.arange(NUM_NODES) % NUM_CLASSES


@pytest.fixture
def ppi_raw() -> Callable[[Path], None]:
    """Write the twelve files of PPI: two graphs of 6 nodes in each split."""

    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for split in ("train", "valid", "test"):
            np.save(folder / f"{split}_feats.npy", rng.standard_normal((12, 3)))
            np.save(folder / f"{split}_labels.npy", rng.integers(0, 2, (12, NUM_CLASSES)))
            np.save(folder / f"{split}_graph_id.npy", np.repeat([7, 8], 6))
            ends = np.concatenate([ring(6), ring(6) + 6], axis=1).T.tolist()
            links = [{"source": a, "target": b} for a, b in [*ends, [0, 0]]]
            nodes = [{"id": node} for node in range(12)]
            graph = {"directed": True, "multigraph": False, "nodes": nodes, "links": links}
            (folder / f"{split}_graph.json").write_text(json.dumps({**graph, "graph": {}}))

    return write
