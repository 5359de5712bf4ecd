"""A synthetic graph shaped like Reddit, of any size: a degree-corrected block model.

At `scale=1` it has Reddit's numbers of nodes, edges, features and classes and its split sizes, and
about its skew of degrees. Features alone say little about the class, neighbourhoods nearly all. It
replaces Reddit where that cannot be downloaded, for speed and memory, never for scores.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int32, Int64
from numpy import ndarray

from redditgnn.dataset.base import MASKS, ConvertedGraph, Mask
from redditgnn.dataset.blockmodel import (
    block_model_edges,
    class_features,
    class_sizes,
    degree_weights,
    symmetric_csr,
)
from redditgnn.dataset.cache import LOADING_KEYS, cached
from redditgnn.dataset.half_precision import FeatureDtype
from redditgnn.errors import require
from redditgnn.graph.data import GraphData
from redditgnn.runtime.memory import GIB, free_memory

REDDIT_NODES, REDDIT_EDGES = 232_965, 114_615_892
REDDIT_TRAIN, REDDIT_VAL = 153_431, 23_831
MOST_SKEW = 10.0
_LOG = logging.getLogger(__name__)


def load(
    data_dir: Path,
    *,
    name: str,
    scale: int | float,
    num_classes: int,
    num_features: int,
    latent_features: int,
    feature_signal: int | float,
    label_noise: int | float,
    homophily: int | float,
    class_skew: int | float,
    degree_skew: int | float,
    max_degree_ratio: int | float,
    feature_dtype: FeatureDtype,
    seed: int,
) -> GraphData:
    """Load from the cache, or generate.

    Raises:
        ConfigError: a parameter is outside its range.
    """
    parameters = {key: value for key, value in locals().items() if key not in LOADING_KEYS}
    model = BlockModel(**{key: value for key, value in parameters.items() if key != "name"})
    return cached(data_dir, name, parameters, lambda: model.generate(name), feature_dtype)


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockModel:
    """The parameters of `load`, and the graph that they describe.

    Raises:
        ConfigError: a parameter is outside its range.
    """

    scale: int | float
    num_classes: int
    num_features: int
    latent_features: int
    feature_signal: int | float
    label_noise: int | float
    homophily: int | float
    class_skew: int | float
    degree_skew: int | float
    max_degree_ratio: int | float
    seed: int

    def __post_init__(self) -> None:
        _check_parameters(**asdict(self))

    @property
    def num_nodes(self) -> int:
        return round(REDDIT_NODES * self.scale)

    def generate(self, name: str) -> ConvertedGraph:
        """Draw classes, edges, features, labels and split, in this order, from one generator.

        Raises:
            ConfigError: there is too little memory.
        """
        self._refuse_too_large(free_memory(torch.device("cpu")))
        rng = np.random.default_rng(self.seed)
        sizes = class_sizes(self.num_nodes, self.num_classes, self.class_skew)
        blocks = rng.permutation(np.repeat(np.arange(self.num_classes), sizes))
        rowptr, col = self._draw_edges(blocks, rng)
        _warn_of_low_degree(name, self.scale, len(col) / self.num_nodes)
        x = class_features(
            blocks,
            num_features=self.num_features,
            latent_features=self.latent_features,
            signal=self.feature_signal,
            rng=rng,
        )
        y = _add_label_noise(blocks, self.label_noise, rng)
        masks = _draw_masks(self.num_nodes, self.scale, rng)
        arrays = {"x": x, "rowptr": rowptr, "col": col, "y": y, **masks}
        return ConvertedGraph(arrays=arrays, num_classes=self.num_classes)

    def _refuse_too_large(self, free: int) -> None:
        """Refuse a graph that needs more than `free` bytes: drawing its edges, or its features."""
        edges, features = REDDIT_EDGES * self.scale, self.num_nodes * self.num_features
        needed = max(12 * edges, 4 * edges + 4 * features)  # bytes; drawing edges is measured
        require(
            needed <= free,
            f"dataset.scale must be smaller: {self.scale} takes {needed / GIB:,.0f} GiB to make, "
            f"and {free / GIB:,.1f} GiB are free; try {self.scale * free / needed / 2:.2g}",
        )

    def _draw_edges(
        self, blocks: Int64[ndarray, " nodes"], rng: np.random.Generator
    ) -> tuple[Int64[ndarray, " nodes_plus_1"], Int32[ndarray, " edges"]]:
        weights = degree_weights(
            self.num_nodes, skew=self.degree_skew, max_ratio=self.max_degree_ratio, rng=rng
        )
        num_edges = round(REDDIT_EDGES // 2 * self.scale)  # undirected
        ends = block_model_edges(
            blocks, weights, num_edges=num_edges, homophily=self.homophily, rng=rng
        )
        return symmetric_csr(*ends, self.num_nodes)


def _check_parameters(**values: float | int) -> None:
    for key in ("scale", "num_features", "latent_features", "max_degree_ratio"):
        require(values[key] > 0, f"dataset.{key} must be positive, got {values[key]}")
    for key in ("homophily", "label_noise"):
        require(0 <= values[key] <= 1, f"dataset.{key} must be in [0, 1], got {values[key]}")
    for key in ("feature_signal", "class_skew", "degree_skew", "seed"):
        require(values[key] >= 0, f"dataset.{key} must be at least 0, got {values[key]}")
    for key in ("class_skew", "degree_skew"):
        require(
            values[key] <= MOST_SKEW,
            f"dataset.{key} must be at most {MOST_SKEW:g}, got {values[key]}",
        )
    classes = values["num_classes"]
    require(classes >= 2, f"dataset.num_classes must be at least 2, got {classes}")
    min_scale, max_scale = 4 * classes / REDDIT_NODES, 2**31 / REDDIT_NODES
    require(
        round(REDDIT_NODES * values["scale"]) >= 4 * classes,
        f"dataset.scale must be at least {min_scale:.1e} for 4 nodes per class, "
        f"got {values['scale']}",
    )
    require(
        values["scale"] < max_scale,
        f"dataset.scale must be below {max_scale:.0f}, since node ids have 32 bits, "
        f"got {values['scale']}",
    )


def _warn_of_low_degree(name: str, scale: int | float, mean: float) -> None:
    target = REDDIT_EDGES / REDDIT_NODES
    if mean < 0.99 * target:
        _LOG.warning(
            "dataset=%s: at scale=%g the classes have room for a mean degree of %.0f, not %.0f",
            name,
            scale,
            mean,
            target,
        )


def _add_label_noise(
    blocks: Int64[ndarray, " nodes"], noise: int | float, rng: np.random.Generator
) -> Int64[ndarray, " nodes"]:
    """Replace the class of a share of the nodes by that of a random node."""
    wrong = rng.random(len(blocks)) < noise
    return np.where(wrong, rng.permutation(blocks), blocks)


def _draw_masks(num_nodes: int, scale: int | float, rng: np.random.Generator) -> dict[str, Mask]:
    order = rng.permutation(num_nodes)
    train = round(REDDIT_TRAIN * scale)
    parts = np.split(order, [train, train + round(REDDIT_VAL * scale)])
    masks = {key: np.zeros(num_nodes, dtype=bool) for key in MASKS}
    for mask, part in zip(masks.values(), parts, strict=True):
        mask[part] = True
    return masks
