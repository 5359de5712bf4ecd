"""The batch, and the block of it that one layer computes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int32, Int64, Real
from torch import Tensor

from redditgnn.graph.csr import CSR, HaloCSR, row_sums, scales_of_halo, with_self_loops
from redditgnn.graph.data import tensors_on
from redditgnn.graph.features import Rows


class Block:
    """One layer's part of a batch: messages from `num_src` nodes to the first `num_dst` of them.

    Attributes:
        rowptr, col: CSR of the destinations, in local indices.
        degree: In-degree of each source in the graph that the batch represents. In a graph with
            edge weights it is the sum of those of its in-edges.
        edge_weight: The graph's own weight of each edge. None where all edges count alike. A sum
            weighs messages by it. A weighted mean is `sum(edge_weight * message)` over
            `sum(edge_weight)`, or zero if that is zero.
        row_scale, edge_scale: The sampler's correction. `sum(edge_scale * message)` over the
            batch's edges of a row estimates the sum over all its edges. None where the batch has
            all of them. If the edges of a row were equally likely to be drawn, each has the scale
            `row_scale`: the degree divided by the number drawn. A mean then needs no scales.
            Otherwise `row_scale` is None.
        halo_scale: The same for each edge whose source is no destination. Other edges count 1.

    Where there are scales and weights, a sum multiplies by both. A mean divides by the sum of the
    weights that were drawn if the scales of a row are equal (the ratio estimator). Otherwise it
    divides the estimated sum by `degree`, which is known. So weights of one change nothing.
    """

    def __init__(
        self,
        rowptr: Int64[Tensor, " num_dst_plus_1"],
        col: Int32[Tensor, " edges"],
        num_src: int,
        degree: Real[Tensor, " num_src"],
        edge_scale: Float[Tensor, " edges"] | None = None,
        row_scale: Float[Tensor, " num_dst"] | None = None,
        edge_weight: Float[Tensor, " edges"] | None = None,
        halo_scale: float | None = None,
    ) -> None:
        scales = (edge_scale, row_scale, halo_scale)
        assert scales.count(None) >= 2, "scales are per edge, per row or of the halo"
        self.rowptr, self.col, self.num_src = rowptr, col, num_src
        self.num_dst = len(rowptr) - 1
        self.degree, self.row_scale, self._edge_scale = degree, row_scale, edge_scale
        self.edge_weight, self.halo_scale = edge_weight, halo_scale
        if halo_scale is not None:
            self._edge_scale = scales_of_halo(col, self.num_dst, halo_scale)

    @property
    def has_equal_scales(self) -> bool:
        """Whether all edges of a row have the same scale, so that a mean needs no scales."""
        return self._edge_scale is None

    @cached_property
    def edge_scale(self) -> Float[Tensor, " edges"] | None:
        if self.row_scale is None:
            return self._edge_scale
        return self.row_scale[self.csr.row]

    @cached_property
    def message_scale(self) -> Float[Tensor, " edges"] | None:
        """What sums multiply each message by, before `row_scale`. None: nothing."""
        if self._edge_scale is None or self.edge_weight is None:
            return self.edge_weight if self._edge_scale is None else self._edge_scale
        return self._edge_scale * self.edge_weight

    @cached_property
    def mean_divisor(self) -> Real[Tensor, " num_dst"]:
        """What a mean divides the sums of `message_scale * message` by, and 1 in place of 0."""
        if not self.has_equal_scales:
            total = self.degree[: self.num_dst]
        elif self.edge_weight is None:
            return self.rowptr.diff().clamp(min=1)
        else:
            total = row_sums(self.rowptr, self.edge_weight)
        return torch.where(total > 0, total, 1)

    @cached_property
    def csr(self) -> CSR:
        """The edges, with a transpose that is computed once."""
        return CSR(self.rowptr, self.col, self.num_src)

    @cached_property
    def csr_with_self_loops(self) -> CSR:
        """The edges and one self-loop for each destination, at the end of its row."""
        rowptr, col = with_self_loops(self.csr)
        if self.halo_scale is not None:
            return HaloCSR(rowptr, col, self.num_src, self.halo_scale)
        return CSR(rowptr, col, self.num_src)

    @cached_property
    def edge_index(self) -> Int64[Tensor, "2 edges"]:
        """COO (source, destination), as PyG's convolutions take it."""
        return torch.stack([self.col.long(), self.csr.row])


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A subgraph whose first `num_targets` nodes are to be predicted.

    Nodes are in breadth-first order, targets first. Row i of the CSR and of `features` belongs to
    global node `node_ids[i]`. Layer l computes only the rows [0, num_dst[l]), so its block is a
    prefix of the CSR. `(loss_weight * per_node_loss).sum()` estimates the mean loss over the
    training nodes: the sampler owns the normalisation. `num_edges` is the number of edges that
    each layer reads. If it is None, they are read from `rowptr`, which waits for the device.
    """

    features: Rows
    y: Int64[Tensor, " targets"] | Float[Tensor, "targets classes"]
    loss_weight: Float[Tensor, " targets"]
    node_ids: Int64[Tensor, " nodes"]
    rowptr: Int64[Tensor, " rows_plus_1"]
    col: Int32[Tensor, " edges"]
    degree: Real[Tensor, " nodes"]
    num_dst: tuple[int, ...]
    num_edges: tuple[int, ...] | None = None
    edge_scale: Float[Tensor, " edges"] | None = None
    row_scale: Float[Tensor, " rows"] | None = None
    edge_weight: Float[Tensor, " edges"] | None = None
    halo_scale: float | None = None
    histories: Histories | None = None
    _blocks: dict[tuple[int, int], Block] = field(default_factory=dict, repr=False, compare=False)

    @property
    def x(self) -> Float[Tensor, "nodes features"]:
        """The features in float32, gathered at the first access."""
        return self.features.dense

    @property
    def num_targets(self) -> int:
        return self.num_dst[-1]

    def block(self, layer: int) -> Block:
        """Return the block of layer `layer`: views of the CSR, cached for the next call."""
        num_dst, num_src = self.num_dst[layer], self._num_src(layer)
        if (num_dst, num_src) not in self._blocks:
            num_edges = self.num_edges[layer] if self.num_edges else int(self.rowptr[num_dst])
            self._blocks[num_dst, num_src] = Block(
                self.rowptr[: num_dst + 1],
                self.col[:num_edges],
                num_src,
                self.degree[:num_src],
                None if self.edge_scale is None else self.edge_scale[:num_edges],
                None if self.row_scale is None else self.row_scale[:num_dst],
                None if self.edge_weight is None else self.edge_weight[:num_edges],
                self.halo_scale,
            )
        return self._blocks[num_dst, num_src]

    def begin(self) -> None:
        """Announce the forward pass, so that remote histories start to fetch their rows."""
        if self.histories is not None:
            self.histories.begin()

    def penalty(self, model: Any) -> Float[Tensor, ""] | None:
        """Return the term that histories add to the loss after the forward pass, or None."""
        return None if self.histories is None else self.histories.penalty(model, self)

    def exchange(self, layer: int, h: Float[Tensor, "rows width"]) -> Tensor:
        """Turn the output of `layer` into the next one's input. Histories push and pull here."""
        if self.histories is None:
            return h
        return self.histories.exchange(layer, h, self.node_ids)

    def to(self, device: torch.device) -> Batch:
        """Copy every tensor to `device`. Returns the batch itself if it is already there."""
        if self.rowptr.device == device and self.features.device == device:
            return self
        num_edges = self.num_edges or tuple(int(self.rowptr[rows]) for rows in self.num_dst)
        tensors = tensors_on(self, device) | {"features": self.features.to(device)}
        return replace(self, **tensors, num_edges=num_edges, _blocks={})

    def _num_src(self, layer: int) -> int:
        if layer == 0 or self.histories is not None:
            return len(self.node_ids)
        return self.num_dst[layer - 1]


@runtime_checkable
class Histories(Protocol):
    """One batch's view of the last known hidden states of all nodes, for `sampler=gas`."""

    def begin(self) -> None:
        """Start to fetch the rows that `exchange` will append, before the forward pass."""
        ...

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Store `h`, the states of the first rows of `node_ids`, and append the stored rest."""
        ...

    def penalty(self, model: Any, batch: Any) -> Float[Tensor, ""] | None:
        """Return the term to add to the loss of `batch` after its forward pass, or None."""
        ...

    def with_states_of(self, other: Histories) -> Histories:
        """Return the same kind of view over the states that `other` stores."""
        ...
