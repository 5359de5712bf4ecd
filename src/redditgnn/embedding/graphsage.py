"""Unsupervised GraphSAGE (Hamilton et al. 2017, arXiv:1706.02216, eq. 1).

Nodes that follow each other on short random walks get similar rows. As in the authors' code all
pairs of a batch share their negatives, and rows are scaled to length 1 before they are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from redditgnn.embedding.encoder import Encoder
from redditgnn.embedding.learned import LearnedEmbedding, LearnedSettings, node_batches
from redditgnn.embedding.objective import Batches, Objective
from redditgnn.embedding.views import drop_pairs
from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.sampler.full import FullSampler
from redditgnn.sampler.neighbor import NeighborSampler
from redditgnn.sampler.saint import walk_step

EXPONENT = 0.75  # of the degree, in the distribution of negatives


class GraphSAGE(LearnedEmbedding):
    """An epoch is one walk of `walk_length` steps from each node. `batch_size` counts pairs.

    With `drop_pairs`, edges between the two nodes of a pair are left out of its batch, as in DGL's
    examples/pytorch/graphsage/advanced: else an encoder may read the edge that it is to predict.
    """

    ends_linear = True

    def __init__(
        self,
        *,
        walk_length: int,
        negatives: int,
        drop_pairs: bool | None,
        **settings: Unpack[LearnedSettings],
    ) -> None:
        super().__init__(**settings)
        require(
            not drop_pairs or settings["batch_size"] is not None,
            "embedding.drop_pairs=true needs embedding.batch_size and embedding.num_neighbors: the "
            "pairs of a whole graph are most of its edges; try embedding.batch_size=512",
        )
        require_positive("embedding.walk_length", walk_length)
        require_positive("embedding.negatives", negatives)
        self.walk_length, self.negatives = walk_length, negatives
        self.drop_pairs = bool(drop_pairs)

    def make_objective(self, encoder: Encoder) -> Objective:
        return PairLoss(encoder)

    def make_batches(self, graph: GraphData, seed: int) -> Batches:
        """Build the batches of pairs.

        Raises:
            ConfigError: the graph has no edges.
        """
        require(
            graph.num_edges > 0,
            "embedding=graphsage learns from pairs along edges, and the graph has none; use "
            "embedding=dgi or dataset.inputs=raw",
        )
        sampler = node_batches(graph, self.settings, seed)
        size = self.settings["batch_size"]
        numbers = self.walk_length, self.negatives, seed
        return PairBatches(graph, sampler, size, *numbers, drops_pairs=self.drop_pairs)


class PairBatch(NamedTuple):
    """Pairs of nodes and the negatives that all pairs share, as positions of a batch's targets."""

    batch: Batch
    start: Int64[Tensor, " pairs"]
    visited: Int64[Tensor, " pairs"]
    negative: Int64[Tensor, " negatives"]


class PairLoss(Objective):
    """-log sigmoid(z_u . z_v) - sum over the negatives n of log sigmoid(-z_u . z_n), averaged.

    Eq. 1 of the paper, whose Q E[...] is the sum over Q negatives.
    """

    def forward(self, batch: PairBatch, generator: Generator) -> Float[Tensor, ""]:
        z = F.normalize(self.encoder(batch.batch))
        start = z[batch.start]
        positive = F.logsigmoid((start * z[batch.visited]).sum(1))
        negative = F.logsigmoid(-start @ z[batch.negative].T).sum(1)
        return -(positive + negative).mean()


class PairBatches:
    """One walk from each node an epoch, cut into batches of `size` pairs. None: one batch."""

    def __init__(
        self,
        graph: GraphData,
        sampler: FullSampler | NeighborSampler,
        size: int | None,
        walk_length: int,
        negatives: int,
        seed: int,
        *,
        drops_pairs: bool,
    ) -> None:
        self._graph, self._sampler, self._drops_pairs = graph, sampler, drops_pairs
        self._walk_length, self._negatives = walk_length, negatives
        self._starts = graph.degree.nonzero().view(-1)
        self._num_pairs = walk_length * len(self._starts)
        self._size = size or self._num_pairs
        self._noise = graph.degree.double().pow(EXPONENT).cumsum(0)
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-self._num_pairs // self._size)

    def __iter__(self) -> Iterator[PairBatch]:
        walks = random_walks(self._graph, self._starts, self._walk_length, self._generator)
        starts = self._starts.repeat_interleave(self._walk_length)
        order = torch.randperm(self._num_pairs, generator=self._generator)
        for pairs in order.split(self._size):
            yield self._batch(starts[pairs], walks.flatten()[pairs], self._draw_negatives())

    def _draw_negatives(self) -> Int64[Tensor, " negatives"]:
        draws = torch.rand(self._negatives, dtype=torch.float64, generator=self._generator)
        return torch.searchsorted(self._noise, draws * self._noise[-1], right=True)

    def _batch(self, *parts: Tensor) -> PairBatch:
        if isinstance(self._sampler, FullSampler):
            (batch,) = self._sampler
            return PairBatch(batch, *parts)
        nodes, places = torch.cat(parts).unique(return_inverse=True)
        start, visited, negative = places.split([len(part) for part in parts])
        batch = self._sampler.batch_of(nodes)
        if self._drops_pairs:
            batch = drop_pairs(batch, start, visited)
        return PairBatch(batch, start, visited, negative)


def random_walks(
    graph: GraphData, starts: Int64[Tensor, " walks"], length: int, generator: Generator
) -> Int64[Tensor, "walks length"]:
    """Return the nodes of uniform walks without their starts, which must have neighbours."""
    nodes, walks = starts, []
    for _ in range(length):
        nodes = walk_step(graph, nodes, generator)
        walks.append(nodes)
    return torch.stack(walks, 1)
