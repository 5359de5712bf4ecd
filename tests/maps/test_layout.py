"""Layouts: principal components, and what other packages compute."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from redditgnn.errors import ConfigError
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.maps import layout
from redditgnn.maps.layout import positions, principal_components


@pytest.fixture(scope="module")
def table() -> torch.Tensor:
    """Three groups in 80 columns."""
    draw = torch.Generator().manual_seed(0)
    centres = 6 * torch.randn(3, 80, generator=draw)
    return centres.repeat_interleave(40, 0) + torch.randn(120, 80, generator=draw)


def test_pca_gives_the_components_of_an_eigendecomposition(table: torch.Tensor) -> None:
    found = principal_components(table, 2, 0).double()
    centred = (table - table.mean(0)).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    expected = centred @ vectors[:, -2:].flip(1)
    assert torch.allclose(found.norm(dim=0) ** 2, values[-2:].flip(0), rtol=1e-4)
    assert torch.allclose(found.abs(), expected.abs(), atol=1e-3)


def test_a_sign_is_that_of_the_largest_loading(table: torch.Tensor) -> None:
    assert torch.allclose(
        principal_components(table, 2, 0), principal_components(table, 2, 1), atol=1e-3
    )


def test_the_same_seed_gives_the_same_bytes_and_leaves_torchs_numbers(table: torch.Tensor) -> None:
    state = torch.random.get_rng_state()
    first, second = positions(table, "pca", 3)[1], positions(table, "pca", 3)[1]
    assert first.tobytes() == second.tobytes()
    assert torch.equal(state, torch.random.get_rng_state())


def test_sparse_features_are_placed_as_dense_ones(table: torch.Tensor) -> None:
    table = torch.where(table > 4, table, 0)
    dense, sparse = (positions(x, "pca", 0)[1] for x in (table, SparseFeatures.from_dense(table)))
    assert np.allclose(dense, sparse, atol=1e-3)


def test_one_column_is_a_line() -> None:
    _, found = positions(torch.arange(5.0)[:, None], "pca", 0)
    assert found.shape == (5, 2)
    assert (found[:, 1] == 0).all()


@pytest.mark.parametrize(
    ("name", "package"), [("tsne", "sklearn"), ("localmap", "pacmap"), ("umap", "umap")]
)
def test_a_layout_of_neighbours_keeps_groups_together(
    name: layout.Name, package: str, table: torch.Tensor
) -> None:
    pytest.importorskip(package)
    chosen, found = positions(table, name, 0)
    centres = np.stack([found[40 * group : 40 * group + 40].mean(0) for group in range(3)])
    nearest = np.linalg.norm(found[:, None] - centres, axis=2).argmin(1)
    assert chosen == name
    assert (nearest == np.repeat(np.arange(3), 40)).mean() > 0.95


def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, table: torch.Tensor
) -> None:
    monkeypatch.setattr(layout, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"map.layout=umap needs the package umap, .*install"):
        positions(table, "umap", 0)
    with caplog.at_level(logging.INFO):
        assert positions(table, "auto", 0)[0] == "pca"
    assert "pip install 'redditgnn[map]'" in caplog.text


def test_two_nodes_are_no_map() -> None:
    with pytest.raises(ConfigError, match="at least 3 nodes, the graph has 2"):
        positions(torch.ones(2, 3), "pca", 0)
