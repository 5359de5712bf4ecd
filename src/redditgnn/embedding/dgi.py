"""Deep Graph Infomax (Velickovic et al. 2019, arXiv:1809.10341)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from redditgnn.embedding.encoder import Encoder
from redditgnn.embedding.learned import LearnedEmbedding
from redditgnn.embedding.objective import Objective
from redditgnn.embedding.views import shuffle_features
from redditgnn.graph.batch import Batch


class DGI(LearnedEmbedding):
    """Tells the nodes of a batch from those of the same batch with shuffled features."""

    def make_objective(self, encoder: Encoder) -> Objective:
        return Infomax(encoder, self.dim)


class Infomax(Objective):
    """Binary cross-entropy of D(h, s) = sigmoid(h W s), eq. 1 of the paper with N = M.

    The loss is the negative mean of log D(h_i, s) over the nodes and of log(1 - D(h'_i, s)) over
    the nodes with shuffled features. The summary s is the sigmoid of the mean of h.
    """

    def __init__(self, encoder: Encoder, dim: int) -> None:
        super().__init__(encoder)
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(dim, dim)))

    def forward(self, batch: Batch, generator: Generator) -> Float[Tensor, ""]:
        h, shuffled = self.encoder(batch), self.encoder(shuffle_features(batch, generator))
        summary = self.weight @ h.mean(0).sigmoid()
        logits = torch.cat([h, shuffled]) @ summary
        is_real = (torch.arange(len(logits)) < len(h)).float()
        return F.binary_cross_entropy_with_logits(logits, is_real)
