"""The synthetic graph of `redditgnn.dataset.sbm` with several labels a node, as PPI and Yelp have.

Nodes belong to communities, which decide edges and features as the classes do there. Each community
has a random set of labels, and a node has the labels of its community.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from redditgnn.dataset.base import ConvertedGraph
from redditgnn.dataset.cache import LOADING_KEYS, cached
from redditgnn.dataset.half_precision import FeatureDtype
from redditgnn.dataset.sbm import BlockModel
from redditgnn.errors import require, require_positive
from redditgnn.graph.data import GraphData


def load(
    data_dir: Path,
    *,
    name: str,
    scale: int | float,
    num_communities: int,
    num_classes: int,
    label_share: int | float,
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
    require_positive("dataset.num_classes", num_classes)
    require(
        num_communities >= 2, f"dataset.num_communities must be at least 2, got {num_communities}"
    )
    require(0 < label_share < 1, f"dataset.label_share must be between 0 and 1, got {label_share}")
    community_parameters = {
        key: value
        for key, value in parameters.items()
        if key not in ("name", "num_communities", "label_share")
    }
    communities = BlockModel(**community_parameters | {"num_classes": num_communities})
    labels = CommunityLabels(num_classes, label_share, seed)
    return cached(
        data_dir, name, parameters, lambda: labels.generate(communities, name), feature_dtype
    )


@dataclass(frozen=True, slots=True)
class CommunityLabels:
    """`num_classes` labels, each of which a community has with the probability `share`."""

    num_classes: int
    share: float
    seed: int

    def generate(self, communities: BlockModel, name: str) -> ConvertedGraph:
        """Generate the graph, and give its nodes the labels of their communities."""
        graph = communities.generate(name)
        y = self._draw_labels(communities.num_classes)[graph.arrays["y"]]
        return replace(graph, arrays=graph.arrays | {"y": y}, num_classes=self.num_classes)

    def _draw_labels(self, num_communities: int) -> Float32[ndarray, "communities classes"]:
        """Draw from a separate generator: edges and features equal those of `dataset=sbm`."""
        rng = np.random.default_rng([self.seed, self.num_classes])
        labels: Float32[ndarray, "communities classes"] = (
            rng.random((num_communities, self.num_classes)) < self.share
        ).astype(np.float32)
        return labels
