"""ProNE: a sparse factorisation, then a filter of the graph's spectrum.

Zhang et al. 2019 (IJCAI). Both steps are products with the edges: a few dozen passes over them.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from jaxtyping import Float, Float32
from numpy import ndarray
from scipy.special import iv
from typing_extensions import Unpack

from redditgnn.embedding.adjacency import Adjacency
from redditgnn.embedding.base import Embedding, EmbeddingSettings
from redditgnn.embedding.factors import scaled_left_factors, unit_rows
from redditgnn.errors import require, require_positive

EXPONENT = 0.75  # of the distribution of negative samples


class ProNE(Embedding):
    """Factorises log P_ij - log Q_j over the edges, and filters the result.

    P = D^-1 A, and Q is the distribution of its column sums to the power 0.75. The filter is a
    Chebyshev expansion of `order` terms of a band-pass with centre `mu` and width `theta`.
    """

    def __init__(
        self,
        *,
        order: int,
        mu: int | float,
        theta: int | float,
        **settings: Unpack[EmbeddingSettings],
    ) -> None:
        super().__init__(**settings)
        require_positive("embedding.theta", theta)
        require(order >= 2, f"embedding.order must be at least 2, got {order}; try 10")
        self.order, self.mu, self.theta = order, mu, theta

    def compute(self, edges: Adjacency, seed: int) -> Float32[ndarray, "nodes dim"]:
        factors = self.factorized(edges, seed)
        filtered = self._filter(edges, factors)
        left = _left_of_table(filtered, self.dim)
        left[edges.degree == 0] = 0
        return unit_rows(left)

    def factorized(self, edges: Adjacency, seed: int) -> Float32[ndarray, "nodes dim"]:
        """Return the rows before they are filtered."""
        matrix = edges.matrix(log_ratios(edges))
        transposed = matrix.T
        factors = scaled_left_factors(
            lambda columns: matrix @ columns,
            lambda columns: transposed @ columns,
            edges.num_nodes,
            self.dim,
            seed,
        )
        return unit_rows(factors)

    def _filter(
        self, edges: Adjacency, start: Float32[ndarray, "nodes dim"]
    ) -> Float[ndarray, "nodes dim"]:
        """Apply the band-pass of the Laplacian with self-loops, and one more step of the walk."""
        inverse = 1 / (edges.degree + 1).astype(np.float32)[:, None]
        ones = edges.matrix()

        def shifted(h: ndarray) -> ndarray:
            return (1 - np.float32(self.mu)) * h - inverse * (ones @ h + h)

        previous, current = start, 0.5 * shifted(shifted(start)) - start
        total = iv(0, self.theta) * previous - 2 * iv(1, self.theta) * current
        for term in range(2, self.order):
            following = shifted(shifted(current)) - 2 * current - previous
            total += (-1) ** term * 2 * iv(term, self.theta) * following
            previous, current = current, following
        rest = (start - total).astype(np.float32)
        return ones @ rest + rest


def log_ratios(edges: Adjacency) -> Float32[ndarray, " edges"]:
    """Return log P_ij - log Q_j of each edge, in the order of `edges.col`."""
    degree = np.maximum(edges.degree, 1).astype(np.float32)
    row = np.log(1 / degree)
    column_sums = scipy.sparse.csr_matrix.dot(edges.matrix(), 1 / degree)
    share = np.maximum(column_sums, np.finfo(np.float32).tiny) ** np.float32(EXPONENT)
    values = np.repeat(row, edges.degree)
    values -= np.log(share / share.sum())[edges.col]
    return values


def _left_of_table(table: Float[ndarray, "nodes dim"], dim: int) -> Float32[ndarray, "nodes dim"]:
    """Return U sqrt(S) of a tall table, from the small matrix of its columns' products."""
    values, right = np.linalg.eigh(table.T.astype(np.float64) @ table)
    order = np.argsort(values)[::-1][:dim]
    values = np.sqrt(np.maximum(values[order], 0))  # singular values
    scale = np.divide(1, np.sqrt(values), out=np.zeros_like(values), where=values > 0)
    return np.asarray(table @ (right[:, order] * scale), dtype=np.float32)
