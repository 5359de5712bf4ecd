"""Neighbour sampling into trees of a fixed shape (Hamilton et al. 2017, arXiv:1706.02216).

As in the authors' code, each place in a tree draws its own neighbours, uniformly with replacement.
A node that is drawn twice is there twice. So all batches have the same shape and the same CSR,
without deduplication and without waiting for the device. CUDA can capture the whole training step.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Batch
from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.graph.placement import FeatureTier, place
from redditgnn.sampler.base import CudaGraph, resolve_capture
from redditgnn.sampler.neighbor import check_num_neighbors
from redditgnn.sampler.side_stream import SideStream


class TreeSampler:
    """Batches of training nodes with `num_neighbors[h]` draws for each place at hop h.

    A node without in-neighbours draws itself, with edges of scale 0. Sums and means ignore these
    edges. Attention and maxima, which use no scales, see the node itself. The last batch of an
    epoch is padded with the first targets of that epoch, at loss weight 0.

    Attributes:
        cuda_graph: Whether to capture the training step: `auto` where possible, on CUDA with
            features that the device reads by itself.
        generator: The generator that draws neighbours, on the sampling device.
    """

    has_halo = True
    gives_edge_weight = True

    def __init__(
        self,
        graph: GraphData,
        *,
        num_layers: int,
        device: torch.device,
        seed: int,
        num_neighbors: list[int],
        batch_size: int,
        feature_tier: FeatureTier,
        cuda_graph: CudaGraph,
    ) -> None:
        check_num_neighbors(num_neighbors, num_layers)
        require(
            min(num_neighbors) > 0,
            "sampler.num_neighbors of sampler=neighbor_tree must be positive, since trees have a "
            f"fixed shape, got {num_neighbors}; for all neighbours use sampler=neighbor",
        )
        require_positive("sampler.batch_size", batch_size)
        require(
            feature_tier != "packed",
            "sampler.feature_tier=packed is for sampler=neighbor: trees have many rows repeatedly; "
            "use sampler=neighbor, or sampler.feature_tier=mmap",
        )
        self._placed, self._stream = place(graph, device, feature_tier), SideStream(device)
        self.cuda_graph = resolve_capture(
            cuda_graph,
            possible=self._placed.is_on_cuda,
            needs="device=cuda, and features that the device reads by itself "
            "(sampler.feature_tier=device, or pinned with Triton installed)",
        )
        weighted = graph.edge_weight is not None
        self._degree = self._placed.graph.weighted_degree if weighted else None
        self._targets = graph.train_mask.nonzero().view(-1)
        self._num_neighbors = num_neighbors
        self._batch_size = max(1, min(batch_size, len(self._targets)))
        self._order = torch.Generator().manual_seed(seed)
        self.generator = torch.Generator(self._placed.device).manual_seed(seed)
        self.generators = (self._order, self.generator)
        self._build_csr(self._placed.device)

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return self._stream.build(self._batches())

    def _batches(self) -> Iterator[Batch]:
        for targets, loss_weight in zip(*self.epoch(), strict=True):
            yield self.draw(targets, loss_weight)

    def epoch(
        self,
    ) -> tuple[Int64[Tensor, "batches targets"], Float[Tensor, "batches targets"]]:
        """Shuffle the training nodes into batches, and return them with their loss weights."""
        count, shape = len(self._targets), (len(self), self._batch_size)
        order = self._targets[torch.randperm(count, generator=self._order)]
        position = torch.arange(len(self) * self._batch_size)
        weight = (position < count) * (len(self) / max(1, count))
        targets = order[position % max(1, count)].view(shape)
        return targets.to(self._placed.device), weight.view(shape).to(self._placed.device)

    def draw(
        self, targets: Int64[Tensor, " targets"], loss_weight: Float[Tensor, " targets"]
    ) -> Batch:
        """Grow a tree from each target. No size depends on the draws."""
        hops, degrees, scales, weights = [targets], [], [], []
        for fanout in self._num_neighbors:
            neighbors, degree, scale, weight = self._neighbors(hops[-1], fanout)
            hops.append(neighbors)
            degrees.append(degree)
            scales.append(scale)
            weights.append(weight)
        node_ids = torch.cat(hops)
        return Batch(
            features=self._placed.rows(node_ids),
            y=self._placed.graph.y.index_select(0, targets),
            loss_weight=loss_weight,
            node_ids=node_ids,
            rowptr=self._rowptr,
            col=self._col,
            degree=self._degrees(hops, degrees),
            num_dst=self._num_dst,
            num_edges=self._num_edges,
            edge_scale=torch.cat(scales),
            edge_weight=None if self._degree is None else torch.cat(weights),
        )

    def _degrees(self, hops: list[Tensor], degrees: list[Tensor]) -> Tensor:
        """Return the degrees of all hops, given the numbers of edges of all but the last."""
        if self._degree is not None:
            return self._degree[torch.cat(hops)]
        rowptr = self._placed.graph.rowptr
        return torch.cat([*degrees, rowptr[hops[-1] + 1] - rowptr[hops[-1]]])

    def _neighbors(self, nodes: Tensor, fanout: int) -> tuple[Tensor, Tensor, Tensor, Any]:
        """Return the draws of all nodes in a row, the nodes' degrees, and the draws' scales.

        Last come the draws' weights, or None in a graph without weights.
        """
        graph = self._placed.graph
        first = graph.rowptr[nodes]
        degree = graph.rowptr[nodes + 1] - first
        uniform = torch.rand(
            (len(nodes), fanout),
            generator=self.generator,
            dtype=torch.float64,
            device=nodes.device,
        )
        edge = first[:, None] + (uniform * degree[:, None]).long()
        edge.clamp_(max=graph.num_edges - 1)  # after the last row's end there is nothing to read
        draws = graph.col[edge] if graph.num_edges else nodes[:, None].expand_as(edge)
        has_edges = (degree > 0)[:, None]
        neighbors = torch.where(has_edges, draws, nodes[:, None])
        scale = (degree / fanout)[:, None].expand_as(neighbors)
        weight = self._weights(edge, has_edges)
        return neighbors.flatten(), degree, scale.flatten(), weight

    def _weights(self, edge: Tensor, has_edges: Tensor) -> Tensor | None:
        """Return the weights of drawn edges, and 1 where a node has drawn itself."""
        weight = self._placed.graph.edge_weight
        if weight is None:
            return None
        if len(weight) == 0:
            return weight.new_ones(edge.numel())
        return torch.where(has_edges, weight[edge], 1.0).flatten()

    def _build_csr(self, device: torch.device) -> None:
        """Build the CSR that all batches share: a tree's edges lead to its places in order."""
        sizes = list(accumulate(self._num_neighbors, int.__mul__, initial=self._batch_size))
        ends = list(accumulate(sizes))  # of the hops, in the order of nodes
        fanouts = torch.tensor(self._num_neighbors).repeat_interleave(torch.tensor(sizes[:-1]))
        self._rowptr = pointers(fanouts).to(device)
        self._col = torch.arange(ends[0], ends[-1], dtype=torch.int32, device=device)
        self._num_dst = tuple(reversed(ends[:-1]))
        self._num_edges = tuple(end - ends[0] for end in reversed(ends[1:]))
