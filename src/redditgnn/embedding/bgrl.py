"""BGRL: one view predicts the other's embedding, without negatives (Thakoor et al. 2022).

arXiv:2102.06514. It departs from the paper: the learning rate is constant, and weight decay is part
of the gradient.
"""

from __future__ import annotations

import math
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from redditgnn.embedding.encoder import Encoder
from redditgnn.embedding.learned import LearnedEmbedding, LearnedSettings
from redditgnn.embedding.objective import Objective
from redditgnn.embedding.views import Shares, TwoViews
from redditgnn.errors import require_positive, require_probability
from redditgnn.graph.batch import Batch


class BGRL(LearnedEmbedding):
    """Views leave out edges and features. A perceptron predicts from the embedding of one view."""

    def __init__(
        self,
        *,
        drop_edges: Shares,
        drop_features: Shares,
        predictor_channels: int,
        momentum: int | float,
        **settings: Unpack[LearnedSettings],
    ) -> None:
        super().__init__(**settings)
        require_positive("embedding.predictor_channels", predictor_channels)
        require_probability("embedding.momentum", momentum)
        self.views = TwoViews(drop_edges, drop_features)
        self.predictor_channels, self.momentum = predictor_channels, momentum

    def make_objective(self, encoder: Encoder) -> Objective:
        predictor = nn.Sequential(
            nn.Linear(self.dim, self.predictor_channels),
            nn.PReLU(),
            nn.Linear(self.predictor_channels, self.dim),
        )
        return Bootstrap(encoder, predictor, self.momentum, self.views)


class Bootstrap(Objective):
    """2 - cos(p(f(G_1)), g(G_2)) - cos(p(f(G_2)), g(G_1)), averaged over the nodes.

    That is the paper's loss for both orders of the views, plus a constant. Only the encoder f and
    the predictor p have gradients. The target g is a moving average of f: g = m g + (1 - m) f after
    each step, where m rises from `momentum` to 1 along a cosine.
    """

    def __init__(
        self,
        encoder: Encoder,
        predictor: nn.Module,
        momentum: int | float,
        views: TwoViews,
    ) -> None:
        super().__init__(encoder)
        self.predictor, self.momentum, self.views = predictor, momentum, views
        self.target = deepcopy(encoder).requires_grad_(False)

    def forward(self, batch: Batch, generator: Generator) -> Float[Tensor, ""]:
        first, second = self.views(batch, generator)
        return 2 - self._agreement(first, second) - self._agreement(second, first)

    def _agreement(self, view: Batch, other: Batch) -> Tensor:
        with torch.no_grad():
            target = self.target(other)
        return F.cosine_similarity(self.predictor(self.encoder(view)), target).mean()

    @torch.no_grad()
    def end_step(self, progress: float) -> None:
        """Move the target towards the encoder."""
        weight = (1 - self.momentum) * (math.cos(math.pi * progress) + 1) / 2
        for ours, theirs in zip(self.target.parameters(), self.encoder.parameters(), strict=True):
            ours.lerp_(theirs, weight)
