"""Positions of nodes in the plane, from a table with a row for each."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from redditgnn.errors import ConfigError, require
from redditgnn.graph.sparse_features import SparseFeatures

log = logging.getLogger(__name__)
MOST_COLUMNS = 64  # that a layout of neighbours reads; more are reduced to as many by PCA
POWER_ITERATIONS = 8
Name = Literal["auto", "pca", "localmap", "pacmap", "tsne", "umap"]


class Layout(NamedTuple):
    """A layout of another package."""

    package: str
    compute: Callable[[ndarray, int], ndarray]


def positions(
    table: Float[Tensor, "nodes columns"] | SparseFeatures, name: Name, seed: int
) -> tuple[str, Float32[ndarray, "nodes 2"]]:
    """Return the layout that was computed, and the positions. Equal seeds give equal bytes.

    `auto` is localmap where it is installed, else pca.

    Raises:
        ConfigError: the package of the layout is missing, or there are too few nodes.
    """
    require(len(table) >= 3, f"map needs at least 3 nodes, the graph has {len(table)}")
    chosen = _choose(name)
    if chosen == "pca":
        return chosen, _plane(principal_components(table, 2, seed).numpy())
    layout = LAYOUTS[chosen]
    _refuse_missing(chosen, layout.package)
    if table.shape[1] > MOST_COLUMNS:
        log.info("%s reads the first %d principal components", chosen, MOST_COLUMNS)
        table = principal_components(table, MOST_COLUMNS, seed)
    dense = table.gather() if isinstance(table, SparseFeatures) else table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other packages: that a seed was set, and the like
        found = layout.compute(np.ascontiguousarray(dense.float().numpy()), seed)
    return chosen, _plane(found)


def _plane(found: ndarray) -> Float32[ndarray, "nodes 2"]:
    """Return two columns, the second of zeros if there is only one."""
    padded = np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
    return np.ascontiguousarray(padded, np.float32)


def _choose(name: Name) -> str:
    if name != "auto":
        return name
    if find_spec("pacmap"):
        return "localmap"
    log.info("layout pca: groups are clearer with localmap, pip install 'redditgnn[map]'")
    return "pca"


def _refuse_missing(name: str, package: str) -> None:
    if find_spec(package) is None:
        remedy = "pip install 'redditgnn[map]'" if package == "pacmap" else f"install {package}"
        raise ConfigError(
            f"map.layout={name} needs the package {package}, which is missing; {remedy}, or take "
            "map.layout=pca"
        )


def principal_components(
    table: Float[Tensor, "nodes columns"] | SparseFeatures, number: int, seed: int
) -> Float32[Tensor, "nodes components"]:
    """Return the first principal components of each row, by randomised SVD (Halko et al. 2011).

    The largest loading of each component is positive. There are never more than columns.
    """
    number = min(number, *table.shape)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        with torch.sparse.check_sparse_tensor_invariants(enable=False):
            left, scale, right = torch.pca_lowrank(_matrix(table), number, niter=POWER_ITERATIONS)
    finally:
        torch.random.set_rng_state(state)
    largest = right.gather(0, right.abs().argmax(0, keepdim=True)).squeeze(0)
    signs = torch.where(largest < 0, -1.0, 1.0)
    return left * scale * signs


def _matrix(table: Tensor | SparseFeatures) -> Tensor:
    """Return a float32 matrix, which is sparse if the table is."""
    if isinstance(table, Tensor):
        return table.float()
    rows = torch.arange(len(table)).repeat_interleave(table.csr.rowptr.diff())
    places = torch.stack([rows, table.csr.col.long()])
    return torch.sparse_coo_tensor(
        places, table.values.float(), table.shape, check_invariants=False
    )


def _pacmap(method: str) -> Callable[[ndarray, int], ndarray]:
    def compute(table: ndarray, seed: int) -> ndarray:
        import pacmap

        logging.getLogger("pacmap").setLevel(logging.ERROR)  # it warns of every seed
        neighbors = min(10, len(table) - 1)
        layout = getattr(pacmap, method)(n_neighbors=neighbors, random_state=seed)
        return np.asarray(layout.fit_transform(table))

    return compute


def _tsne(table: ndarray, seed: int) -> ndarray:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(table) - 1) / 3)
    layout: Any = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(layout.fit_transform(table))


def _umap(table: ndarray, seed: int) -> ndarray:
    from umap import UMAP

    return np.asarray(UMAP(random_state=seed, n_jobs=1).fit_transform(table))


LAYOUTS = {
    "localmap": Layout("pacmap", _pacmap("LocalMAP")),
    "pacmap": Layout("pacmap", _pacmap("PaCMAP")),
    "tsne": Layout("sklearn", _tsne),
    "umap": Layout("umap", _umap),
}
