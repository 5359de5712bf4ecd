"""A synthetic graph shaped like Reddit, of any size: a degree-corrected block model.

At `scale=1`: as many nodes, edges, features and classes and the same split sizes as Reddit, degrees
about as skewed. Features alone say little about the class, neighbourhoods nearly all. It stands
in for Reddit where that cannot be downloaded, for speed and memory, never for its scores.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from redditgnn.dataset.blockmodel import (
    block_model_edges,
    class_features,
    class_sizes,
    degree_weights,
    symmetric_csr,
)
from redditgnn.dataset.cache import cached
from redditgnn.dataset.checked import MASKS, Converted, Mask
from redditgnn.errors import require
from redditgnn.graph import GraphData

REDDIT_NODES, REDDIT_EDGES = 232_965, 114_615_892
REDDIT_TRAIN, REDDIT_VAL = 153_431, 23_831
_LOG = logging.getLogger(__name__)


def load(
    data_dir: Path,
    *,
    name: str,
    scale: float,
    num_classes: int,
    num_features: int,
    latent_features: int,
    feature_signal: float,
    label_noise: float,
    homophily: float,
    class_skew: float,
    degree_skew: float,
    max_degree_ratio: float,
    seed: int,
) -> GraphData:
    """Load from the cache, or generate.

    Raises:
        ConfigError: a parameter is outside its range.
    """
    parameters = {key: value for key, value in locals().items() if key != "data_dir"}
    num_nodes = round(REDDIT_NODES * scale)
    _check(num_nodes, **{key: value for key, value in parameters.items() if key != "name"})

    def convert() -> Converted:
        rng = np.random.default_rng(seed)
        blocks = np.repeat(np.arange(num_classes), class_sizes(num_nodes, num_classes, class_skew))
        rng.shuffle(blocks)
        weights = degree_weights(num_nodes, skew=degree_skew, max_ratio=max_degree_ratio, rng=rng)
        edges = block_model_edges(
            blocks,
            weights,
            num_edges=round(REDDIT_EDGES // 2 * scale),
            homophily=homophily,
            rng=rng,
        )
        rowptr, col = symmetric_csr(*edges, num_nodes)
        _tell_degree(name, scale, len(col) / num_nodes)
        x = class_features(
            blocks,
            num_features=num_features,
            latent_features=latent_features,
            signal=feature_signal,
            rng=rng,
        )
        y = _noisy(blocks, label_noise, rng)
        arrays = {"x": x, "rowptr": rowptr, "col": col, "y": y, **_masks(num_nodes, scale, rng)}
        return Converted(arrays=arrays, num_classes=num_classes)

    return cached(data_dir, name, parameters, convert)


def _check(num_nodes: int, **values: float | int) -> None:
    for key in ("scale", "num_features", "latent_features", "max_degree_ratio"):
        require(values[key] > 0, f"dataset.{key} must be positive, got {values[key]}")
    for key in ("homophily", "label_noise"):
        require(0 <= values[key] <= 1, f"dataset.{key} must be in [0, 1], got {values[key]}")
    for key in ("feature_signal", "class_skew", "degree_skew", "seed"):
        require(values[key] >= 0, f"dataset.{key} must be at least 0, got {values[key]}")
    classes = values["num_classes"]
    require(classes >= 2, f"dataset.num_classes must be at least 2, got {classes}")
    least = 4 * classes / REDDIT_NODES
    require(
        num_nodes >= 4 * classes,
        f"dataset.scale must be at least {least:.1e} for 4 nodes per class, got {values['scale']}",
    )


def _tell_degree(name: str, scale: float, mean: float) -> None:
    wanted = REDDIT_EDGES / REDDIT_NODES
    if mean < 0.99 * wanted:
        _LOG.warning(
            "dataset=%s: at scale=%g the classes have room for a mean degree of %.0f, not %.0f",
            name,
            scale,
            mean,
            wanted,
        )


def _noisy(
    blocks: Int64[ndarray, " nodes"], noise: float, rng: np.random.Generator
) -> Int64[ndarray, " nodes"]:
    """Give a share of the nodes the class of a random node."""
    wrong = rng.random(len(blocks)) < noise
    return np.where(wrong, rng.permutation(blocks), blocks)


def _masks(num_nodes: int, scale: float, rng: np.random.Generator) -> dict[str, Mask]:
    order = rng.permutation(num_nodes)
    train = round(REDDIT_TRAIN * scale)
    parts = np.split(order, [train, train + round(REDDIT_VAL * scale)])
    masks = {key: np.zeros(num_nodes, dtype=bool) for key in MASKS}
    for mask, part in zip(masks.values(), parts, strict=True):
        mask[part] = True
    return masks
