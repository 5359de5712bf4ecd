"""GRACE: a node's two views contrasted with all other nodes (Zhu et al. 2020, arXiv:2006.04131)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from redditgnn.embedding.contrast import LEAST_TEMPERATURE, contrast
from redditgnn.embedding.encoder import Encoder
from redditgnn.embedding.learned import CPU, LearnedEmbedding, LearnedSettings
from redditgnn.embedding.objective import Batches, Objective
from redditgnn.embedding.views import Shares, TwoViews
from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.runtime.memory import GIB, free_memory

BYTES_PER_PAIR = 8  # two float32: half of the matrix of both views


class GRACE(LearnedEmbedding):
    """Views leave out edges and features. A perceptron reads the embedding before the contrast."""

    def __init__(
        self,
        *,
        drop_edges: Shares,
        drop_features: Shares,
        proj_channels: int,
        temperature: int | float,
        **settings: Unpack[LearnedSettings],
    ) -> None:
        super().__init__(**settings)
        require_positive("embedding.proj_channels", proj_channels)
        require(
            temperature >= LEAST_TEMPERATURE,
            f"embedding.temperature must be at least {LEAST_TEMPERATURE}, got {temperature}; "
            "try 0.4",
        )
        self.views = TwoViews(drop_edges, drop_features)
        self.proj_channels, self.temperature = proj_channels, temperature

    def make_objective(self, encoder: Encoder) -> Objective:
        projection = nn.Sequential(
            nn.Linear(self.dim, self.proj_channels),
            nn.ELU(),
            nn.Linear(self.proj_channels, self.dim),
        )
        return Contrast(encoder, projection, self.temperature, self.views)

    def make_batches(self, graph: GraphData, seed: int) -> Batches:
        """Build the sampler, if the pairs of a batch fit the memory."""
        size = min(self.settings["batch_size"] or graph.num_nodes, graph.num_nodes)
        needed, free = BYTES_PER_PAIR * size**2, free_memory(CPU)
        require(
            needed <= free,
            f"embedding=grace compares all pairs of {size:,} nodes, which needs "
            f"{needed / GIB:,.1f} GiB, and {free / GIB:,.1f} GiB are free; set "
            "embedding.batch_size=1024 and embedding.num_neighbors",
        )
        return super().make_batches(graph, seed)


class Contrast(Objective):
    """Eqs. 1 and 2 of the paper, averaged over the nodes i and both orders of the views u and v.

    l(u_i, v_i) = -log exp(s(u_i, v_i)) / (sum_k exp(s(u_i, v_k)) + sum_(k != i) exp(s(u_i, u_k)))

    Here s is the cosine of the projected rows, divided by the temperature.
    """

    def __init__(
        self,
        encoder: Encoder,
        projection: nn.Module,
        temperature: int | float,
        views: TwoViews,
    ) -> None:
        super().__init__(encoder)
        self.projection, self.temperature, self.views = projection, temperature, views

    def forward(self, batch: Batch, generator: Generator) -> Float[Tensor, ""]:
        views = self.views(batch, generator)
        u, v = (F.normalize(self.projection(self.encoder(view))) for view in views)
        return contrast(u, v, self.temperature)
