"""NetMF: the matrix that DeepWalk factorises in the limit, factorised directly.

Qiu et al. 2018, arXiv:1710.02971. It is a dense matrix of nodes x nodes, so graphs must be small.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from typing_extensions import Unpack

from redditgnn.embedding.adjacency import Adjacency
from redditgnn.embedding.base import Embedding, EmbeddingSettings
from redditgnn.embedding.factors import scaled_left_factors
from redditgnn.errors import require, require_positive
from redditgnn.runtime.memory import GIB, free_memory

COLUMNS_AT_ONCE = 512
COPIES = 3  # of the matrix at the peak, in the worst case


class NetMF(Embedding):
    """Factorises log max(1, vol / (b T) (P + ... + P^T) D^-1) with P = D^-1 A.

    T is the `window` and b the number of `negatives` of the DeepWalk that it stands for.
    """

    def __init__(
        self, *, window: int, negatives: int, **settings: Unpack[EmbeddingSettings]
    ) -> None:
        super().__init__(**settings)
        require_positive("embedding.window", window)
        require_positive("embedding.negatives", negatives)
        self.window, self.negatives = window, negatives

    def compute(self, edges: Adjacency, seed: int) -> Float32[ndarray, "nodes dim"]:
        _refuse_large(edges.num_nodes)
        matrix = self.matrix(edges)

        def product(columns: ndarray) -> ndarray:
            return matrix @ columns

        return scaled_left_factors(product, product, edges.num_nodes, self.dim, seed)

    def matrix(self, edges: Adjacency) -> Float32[ndarray, "nodes nodes"]:
        """Return the symmetric matrix that is factorised."""
        inverse = 1 / np.maximum(edges.degree, 1).astype(np.float32)
        walk = edges.matrix(np.repeat(inverse, edges.degree))
        factor = np.float32(edges.num_edges / (self.negatives * self.window))
        out = np.empty((edges.num_nodes, edges.num_nodes), np.float32)
        for start in range(0, edges.num_nodes, COLUMNS_AT_ONCE):
            stop = min(start + COLUMNS_AT_ONCE, edges.num_nodes)
            power = np.zeros((edges.num_nodes, stop - start), np.float32)
            power[range(start, stop), range(stop - start)] = inverse[start:stop]
            total = np.zeros_like(power)
            for _ in range(self.window):
                power = walk @ power
                total += power
            out[:, start:stop] = np.log(np.maximum(factor * total, 1))
        return out


def _refuse_large(num_nodes: int) -> None:
    needed, free = COPIES * 4 * num_nodes**2, free_memory(torch.device("cpu"))
    require(
        needed <= free,
        f"embedding=netmf needs {needed / GIB:,.1f} GiB for a matrix of {num_nodes:,} x "
        f"{num_nodes:,}, and {free / GIB:,.1f} GiB are free; use embedding=prone or "
        "embedding=fastrp",
    )
