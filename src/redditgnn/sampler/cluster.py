"""Cluster-GCN: batches of densely connected parts (Chiang et al. 2019, arXiv:1905.07953)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Batch
from redditgnn.graph.csr import row_sums
from redditgnn.graph.data import GraphData
from redditgnn.partition.parts import contiguous_parts, parts_of, random_parts
from redditgnn.sampler.base import IsChosen, build_chosen, every_batch
from redditgnn.sampler.subgraph import build_subgraphs, subgraph_batch

Partition = Literal["metis", "leiden", "random", "order"]


class ClusterSampler:
    """Batches of `batch_size` random parts with all edges among their nodes.

    The parts are those of METIS, or what `partition` names.

    Degrees are counted within the batch, or are sums of the edge weights there. So normalisations
    follow the paper's section 3.2, which normalises the adjacency of the combined parts again.
    """

    has_halo = False
    gives_edge_weight = True

    def __init__(
        self,
        graph: GraphData,
        *,
        num_layers: int,
        device: torch.device,
        seed: int,
        num_parts: int,
        batch_size: int,
        partition: Partition | None,
    ) -> None:
        self._drawer = PartDrawer(
            graph,
            num_parts=num_parts,
            batch_size=batch_size,
            partition=partition or "metis",
            max_steps=None,
            seed=seed,
        )
        self.generators = self._drawer.generators
        self._graph, self._num_layers = graph, num_layers
        self._subgraphs = build_subgraphs(graph)

    def __len__(self) -> int:
        return len(self._drawer)

    def __iter__(self) -> Iterator[Batch]:
        return self.select(every_batch)

    def select(self, is_chosen: IsChosen) -> Iterator[Batch]:
        """Draw an epoch, and build the chosen ones of its batches."""
        return build_chosen(self._drawer.plan(), self._batch, is_chosen)

    def _batch(self, numbers: Tensor) -> Batch:
        node_ids = self._drawer.nodes(numbers)
        rowptr, col = self._subgraphs.edges(node_ids)
        weight = self._subgraphs.weights(node_ids)
        return subgraph_batch(
            self._graph,
            node_ids,
            rowptr,
            col,
            num_layers=self._num_layers,
            loss_weight=self._drawer.loss_weight.index_select(0, node_ids),
            degree=rowptr.diff() if weight is None else row_sums(rowptr, weight),
            edge_weight=weight,
        )


class PartDrawer:
    """Shuffles the parts of a graph into batches in every epoch.

    `max_steps`: the most batches an epoch, None: all parts. Each epoch draws from all parts, also
    after an epoch that left some out. `partition`: `metis`, `leiden` for equal pieces of
    communities, `random` for parts of equal size drawn from `seed`, or `order` for equal ranges of
    node ids.

    Attributes:
        loss_weight: Weight of every node. A training node's weights, summed over an epoch's batches
            and divided by their number, are expected to be 1 / |training nodes|. Where an epoch has
            all parts, the sum is exactly that.
    """

    def __init__(
        self,
        graph: GraphData,
        *,
        num_parts: int,
        batch_size: int,
        partition: Partition,
        max_steps: int | None,
        seed: int,
    ) -> None:
        require_positive("sampler.num_parts", num_parts)
        require_positive("sampler.batch_size", batch_size)
        require(
            batch_size <= num_parts,
            f"sampler.batch_size must be at most sampler.num_parts={num_parts}, got {batch_size}",
        )
        self._generator = torch.Generator().manual_seed(seed)
        self.generators = (self._generator,)
        if partition == "random":
            self._parts = random_parts(graph, num_parts, self._generator)
        elif partition == "order":
            self._parts = contiguous_parts(graph, num_parts)
        else:
            self._parts = parts_of(graph, num_parts, partition)
        self._batch_size, self._max_steps = batch_size, max_steps
        parts_per_epoch = min(len(self) * batch_size, len(self._parts))
        weight = len(self) * len(self._parts) / parts_per_epoch
        self.loss_weight = graph.train_mask * (weight / graph.train_mask.sum())

    def __len__(self) -> int:
        num_batches = -(-len(self._parts) // self._batch_size)
        return num_batches if self._max_steps is None else min(num_batches, self._max_steps)

    @property
    def most_nodes(self) -> int:
        """The nodes of a batch of the largest parts."""
        return sum(sorted(map(len, self._parts))[-self._batch_size :])

    def plan(self) -> Iterator[Int64[Tensor, " parts"]]:
        """Shuffle the parts, and yield the numbers of those in each batch."""
        order = torch.randperm(len(self._parts), generator=self._generator)
        yield from order.split(self._batch_size)[: len(self)]

    def nodes(self, numbers: Int64[Tensor, " parts"]) -> Int64[Tensor, " nodes"]:
        """Return the nodes of the parts with these numbers."""
        return torch.cat([self._parts[number] for number in numbers.tolist()])
