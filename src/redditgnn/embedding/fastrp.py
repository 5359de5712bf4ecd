"""FastRP: a random projection, averaged over the neighbours again and again.

Chen et al. 2019, arXiv:1908.11512. It takes one pass over the edges for each entry of `weights`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch.nn import functional as F
from typing_extensions import Unpack

from redditgnn.embedding.adjacency import Adjacency
from redditgnn.embedding.base import Embedding, EmbeddingSettings
from redditgnn.errors import require
from redditgnn.graph.csr import CSR
from redditgnn.kernels.aggregate import aggregate

SPARSITY = 3  # one entry in so many is not zero (Achlioptas 2003)


class FastRP(Embedding):
    """Sums `weights[k]` times the rows of (D^-1 A)^(k+1) L R, each row scaled to length 1.

    R is a sparse random matrix and L the diagonal of the nodes' shares of all edges, to the power
    `beta`.
    """

    def __init__(
        self,
        *,
        weights: Sequence[int | float],
        beta: int | float,
        **settings: Unpack[EmbeddingSettings],
    ) -> None:
        super().__init__(**settings)
        require(
            any(weights),
            f"embedding.weights must have a number that is not 0, got {list(weights)}; "
            "try '[0,1,1]'",
        )
        self.weights, self.beta = weights, beta

    def compute(self, edges: Adjacency, seed: int) -> Float32[ndarray, "nodes dim"]:
        csr = CSR(torch.from_numpy(edges.rowptr), torch.from_numpy(edges.col), edges.num_nodes)
        share = np.maximum(edges.degree, 1) / max(1, edges.num_edges)
        power = torch.from_numpy(random_projection(edges.num_nodes, self.dim, seed))
        power *= torch.from_numpy(share**self.beta).float()[:, None]
        total = torch.zeros_like(power)
        for weight in self.weights:
            power = aggregate(power, csr, mean=True)
            if weight:
                total.add_(F.normalize(power), alpha=weight)
        return total.numpy()


def random_projection(num_rows: int, dim: int, seed: int) -> Float32[ndarray, "rows dim"]:
    """Return a matrix of zeros with `SPARSITY` ** 0.5, of either sign, in some places."""
    draws = np.random.default_rng(seed).integers(2 * SPARSITY, size=(num_rows, dim), dtype=np.int8)
    root = np.float32(SPARSITY**0.5)
    values = np.zeros(2 * SPARSITY, np.float32)
    values[:2] = root, -root
    return values[draws]
