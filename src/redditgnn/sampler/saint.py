"""GraphSAINT: random subgraphs with exact normalisation (Zeng et al. 2020, arXiv:1907.04931).

Two biases are corrected (section 3.2). A node that is drawn often would dominate the loss: its loss
is divided by the probability that a subgraph contains it. An edge that is drawn less often than its
destination would be missing from sums. Its message is divided by alpha, the probability of the edge
given its destination. Both probabilities are estimated from subgraphs drawn before training.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import TypedDict

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from typing_extensions import Unpack

from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.runtime.memory import GIB, free_memory
from redditgnn.runtime.numba_threads import numba_works
from redditgnn.sampler.base import IsChosen, build_chosen, every_batch
from redditgnn.sampler.subgraph import Inclusions, build_subgraphs, subgraph_batch

log = logging.getLogger(__name__)


class SaintSettings(TypedDict):
    """The keys that every GraphSAINT sampler has, and the facts of its run."""

    num_layers: int
    device: torch.device
    seed: int
    batch_size: int
    num_steps: int
    sample_coverage: int


class SaintSampler(ABC):
    """`num_steps` random subgraphs an epoch, normalised by counts of earlier ones.

    `sample_coverage`: how many times each node is drawn before training, on average. More makes the
    normalisation more exact.
    """

    has_halo = False
    gives_edge_weight = True

    bytes_per_draw: int
    """Approximate bytes of host memory that each of the `batch_size` draws takes."""

    size_condition = ""
    """The other key that `bytes_per_draw` depends on, as the error message names it."""

    def __init__(self, graph: GraphData, **settings: Unpack[SaintSettings]) -> None:
        batch_size, num_steps = settings["batch_size"], settings["num_steps"]
        num_layers, sample_coverage = settings["num_layers"], settings["sample_coverage"]
        require_positive("sampler.batch_size", batch_size)
        require_positive("sampler.num_steps", num_steps)
        require_positive("sampler.sample_coverage", sample_coverage)
        require(
            graph.num_edges > 0,
            "sampler=saint_* needs edges, and the graph to train on has none; use sampler=full",
        )
        self._graph, self._num_layers = graph, num_layers
        self._tell_missed_nodes()
        self._batch_size, self._num_steps = batch_size, num_steps
        self._generator = torch.Generator().manual_seed(settings["seed"])
        self.generators = (self._generator,)
        self._refuse_too_large(free_memory(torch.device("cpu")))
        self._subgraphs, self._degree = build_subgraphs(graph), graph.weighted_degree
        self._count_inclusions(sample_coverage * graph.num_nodes)

    @abstractmethod
    def draw(self) -> Int64[Tensor, " draws"]:
        """Draw the nodes of one subgraph, with repetitions."""

    @property
    def drawable(self) -> Bool[Tensor, " nodes"]:
        """Which nodes a subgraph may contain."""
        return torch.ones(self._graph.num_nodes, dtype=torch.bool)

    def _tell_missed_nodes(self) -> None:
        train = self._graph.train_mask
        missed, total = int((train & ~self.drawable).sum()), int(train.sum())
        text = (
            f"{missed:,} of {total:,} training nodes have no edge, so this sampler never draws "
            "them; use sampler=saint_rw or sampler=cluster"
        )
        require(missed == 0 or missed < total, f"sampler=saint_*: {text}")
        if missed:
            log.warning(text)

    @property
    def node_probability(self) -> Float[Tensor, " nodes"]:
        """Estimated probability that a subgraph contains each node."""
        return self._inclusions.node_counts.clamp(min=1) / self._num_drawn

    def edge_probability(self, edges: Int64[Tensor, " positions"]) -> Float[Tensor, " positions"]:
        """Estimate the probability of each edge in a subgraph that has its destination (alpha).

        `edges` are positions in `graph.col`.
        """
        destination = torch.bucketize(edges, self._graph.rowptr, right=True) - 1
        destination_counts = self._inclusions.node_counts[destination].clamp(min=1)
        return self._inclusions.edge_counts[edges].clamp(min=1) / destination_counts

    def __len__(self) -> int:
        return self._num_steps

    def __iter__(self) -> Iterator[Batch]:
        return self.select(every_batch)

    def select(self, is_chosen: IsChosen) -> Iterator[Batch]:
        """Draw an epoch, and build the chosen ones of its batches.

        All of them are drawn, because one generator draws them. That takes little time.
        """
        draws = (self.draw() for _ in range(self._num_steps))
        return build_chosen(draws, self._batch, is_chosen)

    @cached_property
    def _loss_weight(self) -> Float[Tensor, " nodes"]:
        mask = self._graph.train_mask
        return mask / (self.node_probability * mask.sum())

    def _batch(self, draws: Int64[Tensor, " draws"]) -> Batch:
        node_ids = self._subgraphs.distinct(draws)
        rowptr, col, edge_scale = self._subgraphs.scaled_edges(node_ids, self._inclusions)
        return subgraph_batch(
            self._graph,
            node_ids,
            rowptr,
            col,
            num_layers=self._num_layers,
            loss_weight=self._loss_weight.index_select(0, node_ids),
            degree=self._degree.index_select(0, node_ids),
            edge_weight=self._subgraphs.weights(node_ids),
            edge_scale=edge_scale,
        )

    def _refuse_too_large(self, free: int) -> None:
        limit = free // 2 // self.bytes_per_draw
        require(
            self._batch_size <= limit,
            f"sampler.batch_size must be at most {limit}{self.size_condition}, what half of the "
            f"free {free / GIB:,.1f} GiB can draw at once, got {self._batch_size}",
        )

    def _count_inclusions(self, nodes_to_draw: int) -> None:
        self._inclusions = Inclusions(self._graph)
        self._num_drawn, drawn_nodes = 0, 0
        while drawn_nodes < nodes_to_draw:
            node_ids = self._subgraphs.distinct(self.draw())
            self._subgraphs.include(node_ids, self._inclusions)
            self._num_drawn += 1
            drawn_nodes += len(node_ids)


class SaintNode(SaintSampler):
    """`batch_size` nodes, by the squared column norms of D^-1 A (section 3.4)."""

    bytes_per_draw = 24

    @cached_property
    def _cumulative(self) -> Float[Tensor, " nodes"]:
        return node_importance(self._graph).cumsum(0)

    @property
    def drawable(self) -> Bool[Tensor, " nodes"]:
        return self._cumulative.diff(prepend=self._cumulative.new_zeros(1)) > 0

    def draw(self) -> Int64[Tensor, " draws"]:
        uniform = torch.rand(self._batch_size, generator=self._generator, dtype=torch.float64)
        goals = (uniform * self._cumulative[-1]).numpy()
        return torch.from_numpy(np.searchsorted(self._cumulative.numpy(), goals, side="right"))


class SaintEdge(SaintSampler):
    """`batch_size` edges drawn with probability proportional to 1/deg(u) + 1/deg(v) (sec. 3.4).

    On an undirected graph this equals drawing a uniform node and a uniform in-neighbour of it. That
    needs no table of all edges.
    """

    bytes_per_draw = 65

    @cached_property
    def _connected(self) -> Int64[Tensor, " connected"]:
        return (self._graph.degree > 0).nonzero().view(-1)

    @property
    def drawable(self) -> Bool[Tensor, " nodes"]:
        return (self._graph.degree > 0) | (node_importance(self._graph) > 0)

    def draw(self) -> Int64[Tensor, " draws"]:
        size = (self._batch_size,)
        draws = torch.randint(len(self._connected), size, generator=self._generator)
        ends = self._connected.index_select(0, draws)
        return torch.cat([ends, walk_step(self._graph, ends, self._generator)])


class SaintRandomWalk(SaintSampler):
    """The nodes of `batch_size` random walks of `walk_length` steps from uniform roots."""

    def __init__(
        self,
        graph: GraphData,
        *,
        walk_length: int,
        **saint: Unpack[SaintSettings],
    ) -> None:
        require_positive("sampler.walk_length", walk_length)
        self._walk_length = walk_length
        self.bytes_per_draw = 16 * (walk_length + 1) + 40
        self.size_condition = f" with sampler.walk_length={walk_length}"
        super().__init__(graph, **saint)

    def draw(self) -> Int64[Tensor, " draws"]:
        walk = [
            torch.randint(self._graph.num_nodes, (self._batch_size,), generator=self._generator)
        ]
        for _ in range(self._walk_length):
            walk.append(walk_step(self._graph, walk[-1], self._generator))
        return torch.cat(walk)


def node_importance(graph: GraphData) -> Float[Tensor, " nodes"]:
    """Return the squared column norms of D^-1 A: sum over out-neighbours of 1 / degree^2."""
    row_value = graph.degree.clamp(min=1).double().pow(-2)
    total = torch.zeros(graph.num_nodes, dtype=torch.float64)
    if not numba_works():
        return total.index_add_(0, graph.col, row_value.repeat_interleave(graph.degree))
    from redditgnn.sampler.csr_numba import add_to_sources

    col = graph.col.numpy().view(np.uint32)
    add_to_sources(graph.rowptr.numpy(), col, row_value.numpy(), total.numpy())
    return total


def walk_step(
    graph: GraphData, node_ids: Int64[Tensor, " walkers"], generator: torch.Generator
) -> Int64[Tensor, " walkers"]:
    """Move each walker to a uniform in-neighbour. A walker without neighbours stays."""
    first = graph.rowptr.index_select(0, node_ids)
    degree = graph.rowptr.index_select(0, node_ids + 1) - first
    uniform = torch.rand(len(node_ids), generator=generator, dtype=torch.float64)
    edge = first + (uniform * degree).long()
    neighbors = graph.col.index_select(0, edge.clamp(max=graph.num_edges - 1)).long()
    return torch.where(degree > 0, neighbors, node_ids)
