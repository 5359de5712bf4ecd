"""The graph and the batch: what crosses the borders between datasets, samplers, models and loop.

Edges are stored as CSR by destination: the in-neighbours of node `i`, whose messages it receives,
are `col[rowptr[i]:rowptr[i + 1]]`. There are no self-loops; layers that want them ask a `Block`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int32, Int64, Integer
from torch import Tensor

from redditgnn.csr import pointers, row_of_edge

Split = Literal["train", "val", "test"]


class GraphSpec(NamedTuple):
    """What sizes a model. `multi_label`: a node has any number of the classes (loss BCE)."""

    num_nodes: int
    num_features: int
    num_classes: int
    multi_label: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphData:
    """A graph with features, labels and a split.

    `y` holds class indices, or 0/1 floats [nodes, classes] if nodes carry several labels.
    `fingerprint` hashes everything that a score depends on: two graphs with different ones are not
    comparable. `cache_dir` is where derived files (partitions) may be kept; None: nowhere.
    """

    name: str
    x: Float[Tensor, "nodes features"]
    rowptr: Int64[Tensor, " nodes_plus_1"]
    col: Int32[Tensor, " edges"]
    y: Int64[Tensor, " nodes"] | Float[Tensor, "nodes classes"]
    num_classes: int
    train_mask: Bool[Tensor, " nodes"]
    val_mask: Bool[Tensor, " nodes"]
    test_mask: Bool[Tensor, " nodes"]
    fingerprint: str
    cache_dir: Path | None = None

    @property
    def num_nodes(self) -> int:
        return self.x.size(0)

    @property
    def num_edges(self) -> int:
        return self.col.numel()

    @property
    def spec(self) -> GraphSpec:
        return GraphSpec(self.num_nodes, self.x.size(1), self.num_classes, self.y.dim() == 2)

    @property
    def degree(self) -> Int64[Tensor, " nodes"]:
        """Number of in-neighbours of each node."""
        return self.rowptr.diff()

    def mask(self, split: Split) -> Bool[Tensor, " nodes"]:
        return {"train": self.train_mask, "val": self.val_mask, "test": self.test_mask}[split]

    def to(self, device: torch.device) -> GraphData:
        """Copy every tensor to `device`; the graph itself if it is there already."""
        return self if self.x.device == device else replace(self, **_moved(self, device))

    def induced(self, keep: Bool[Tensor, " nodes"]) -> GraphData:
        """Return the subgraph of the nodes in `keep`, in their order, with the edges among them."""
        node_ids = keep.nonzero().view(-1)
        new_id = torch.full((self.num_nodes,), -1, dtype=torch.int32)
        new_id[node_ids] = torch.arange(len(node_ids), dtype=torch.int32)
        rows, col = gather_rows(self.rowptr, self.col, node_ids)
        col = new_id[col]
        inside = col >= 0
        counts = torch.bincount(rows[inside], minlength=len(node_ids))
        return replace(
            self,
            x=self.x[node_ids],
            rowptr=pointers(counts),
            col=col[inside],
            y=self.y[node_ids],
            train_mask=self.train_mask[node_ids],
            val_mask=self.val_mask[node_ids],
            test_mask=self.test_mask[node_ids],
            fingerprint=f"{self.fingerprint}-induced{len(node_ids)}",
        )

    def neighborhood(
        self, node_ids: Int64[Tensor, " rows"]
    ) -> tuple[Int64[Tensor, " local"], Int64[Tensor, " rows_plus_1"], Int32[Tensor, " edges"]]:
        """Collect `node_ids` with all their in-neighbours.

        Returns:
            The global ids of the nodes involved (`node_ids` first, then their halo in ascending
            order), and the CSR of the rows `node_ids` in local indices.
        """
        rows, col = gather_rows(self.rowptr, self.col, node_ids)
        is_halo = torch.zeros(self.num_nodes, dtype=torch.bool, device=col.device)
        is_halo[col] = True
        is_halo[node_ids] = False
        local_nodes = torch.cat([node_ids, is_halo.nonzero().view(-1)])
        local_id = torch.empty(self.num_nodes, dtype=torch.int32, device=col.device)
        local_id[local_nodes] = torch.arange(len(local_nodes), dtype=torch.int32, device=col.device)
        counts = torch.bincount(rows, minlength=len(node_ids))
        return local_nodes, pointers(counts), local_id[col]


def gather_rows(
    rowptr: Int64[Tensor, " nodes_plus_1"],
    col: Int32[Tensor, " edges"],
    node_ids: Int64[Tensor, " rows"],
) -> tuple[Int64[Tensor, " picked"], Int32[Tensor, " picked"]]:
    """Concatenate the CSR rows `node_ids`: for each entry its position in `node_ids`, and `col`."""
    picked = pointers(rowptr[node_ids + 1] - rowptr[node_ids])
    rows = row_of_edge(picked)
    shift = (rowptr[node_ids] - picked[:-1])[rows]
    return rows, col[torch.arange(len(rows), device=col.device) + shift]


@runtime_checkable
class Histories(Protocol):
    """Where `sampler=gas` keeps the last known hidden states of all nodes."""

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Store `h`, the states of the first rows of `node_ids`; append the stored rest."""
        ...


class Block:
    """What one layer computes: messages from `num_src` nodes to the first `num_dst` of them.

    Attributes:
        rowptr, col: CSR of the destinations, in local indices.
        degree: In-degree of each source in the graph that the batch stands for.
        edge_weight: `sum(edge_weight * message)` over the batch's edges of a row estimates the sum
            over all its edges; None where the batch has all of them.
    """

    def __init__(
        self,
        rowptr: Int64[Tensor, " num_dst_plus_1"],
        col: Int32[Tensor, " edges"],
        num_src: int,
        degree: Integer[Tensor, " num_src"],
        edge_weight: Float[Tensor, " edges"] | None,
    ) -> None:
        self.rowptr, self.col, self.num_src = rowptr, col, num_src
        self.num_dst = len(rowptr) - 1
        self.degree, self.edge_weight = degree, edge_weight

    @cached_property
    def edge_index(self) -> Int64[Tensor, "2 edges"]:
        """COO (source, destination), as any convolution of PyG takes it."""
        return torch.stack([self.col.long(), row_of_edge(self.rowptr)])

    @cached_property
    def with_self_loops(self) -> tuple[Int64[Tensor, " num_dst_plus_1"], Int32[Tensor, " edges"]]:
        """CSR with one self-loop for each destination, at the end of its row."""
        loops = torch.arange(self.num_dst, dtype=torch.int32, device=self.col.device)
        col = self._interleave(self.col, loops)
        return self.rowptr + torch.arange(len(self.rowptr), device=self.rowptr.device), col

    @cached_property
    def mean_adjacency(self) -> Tensor:
        """`torch.sparse_csr` [num_dst, num_src]: times `h`, the mean over in-neighbours."""
        row = row_of_edge(self.rowptr)
        values = self._weight_or_one / self.degree[row].clamp(min=1)
        return self._sparse(self.rowptr, self.col, values)

    @cached_property
    def mean_adjacency_with_self(self) -> Tensor:
        """`torch.sparse_csr`: times `h`, the mean over a node and its in-neighbours."""
        row = row_of_edge(self.rowptr)
        loop = 1 / (self.degree[: self.num_dst] + 1.0)
        values = self._interleave(self._weight_or_one / (self.degree[row] + 1), loop)
        return self._sparse(*self.with_self_loops, values)

    @cached_property
    def gcn_adjacency(self) -> Tensor:
        """`torch.sparse_csr` of D^-1/2 (A + I) D^-1/2 (Kipf and Welling 2017, eq. 8)."""
        row = row_of_edge(self.rowptr)
        scale = (self.degree + 1.0).rsqrt()
        loop = 1 / (self.degree[: self.num_dst] + 1.0)
        values = self._interleave(self._weight_or_one * scale[row] * scale[self.col], loop)
        return self._sparse(*self.with_self_loops, values)

    @property
    def _weight_or_one(self) -> Tensor:
        if self.edge_weight is not None:
            return self.edge_weight
        return torch.ones(self.col.numel(), device=self.col.device)

    def _interleave(self, of_edges: Tensor, of_rows: Tensor) -> Tensor:
        """Put each row's extra entry behind the entries of its edges."""
        joined = of_edges.new_empty(len(of_edges) + len(of_rows))
        rows = torch.arange(self.num_dst, device=of_edges.device)
        joined[self.rowptr[1:] + rows] = of_rows
        joined[torch.arange(len(of_edges), device=of_edges.device) + row_of_edge(self.rowptr)] = (
            of_edges
        )
        return joined

    def _sparse(self, rowptr: Tensor, col: Tensor, values: Tensor) -> Tensor:
        index = torch.int32 if len(col) < 2**31 else torch.int64
        return torch.sparse_csr_tensor(
            rowptr.to(index),
            col.to(index),
            values,
            size=(self.num_dst, self.num_src),
            check_invariants=False,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A subgraph whose first `num_targets` nodes are to be predicted.

    Nodes stand in breadth-first order, targets first; row i of the CSR and of `x` belongs to global
    node `node_ids[i]`. Layer l computes the rows [0, num_dst[l]) and no others, so that a layer's
    block is a prefix of the CSR. `(loss_weight * per_node_loss).sum()` estimates the mean loss
    over the training nodes: the sampler owns the normalisation.
    """

    x: Float[Tensor, "nodes features"]
    y: Int64[Tensor, " targets"] | Float[Tensor, "targets classes"]
    loss_weight: Float[Tensor, " targets"]
    node_ids: Int64[Tensor, " nodes"]
    rowptr: Int64[Tensor, " rows_plus_1"]
    col: Int32[Tensor, " edges"]
    degree: Integer[Tensor, " nodes"]
    num_dst: tuple[int, ...]
    edge_weight: Float[Tensor, " edges"] | None = None
    histories: Histories | None = None
    _blocks: dict[tuple[int, int], Block] = field(default_factory=dict, repr=False, compare=False)

    @property
    def num_targets(self) -> int:
        return self.num_dst[-1]

    def block(self, layer: int) -> Block:
        """Return what layer `layer` computes: views of the CSR, kept for the next call."""
        num_dst, num_src = self.num_dst[layer], self._num_src(layer)
        if (num_dst, num_src) not in self._blocks:
            num_edges = int(self.rowptr[num_dst])
            weight = None if self.edge_weight is None else self.edge_weight[:num_edges]
            self._blocks[num_dst, num_src] = Block(
                self.rowptr[: num_dst + 1],
                self.col[:num_edges],
                num_src,
                self.degree[:num_src],
                weight,
            )
        return self._blocks[num_dst, num_src]

    def exchange(self, layer: int, h: Float[Tensor, "rows width"]) -> Tensor:
        """Turn the output of `layer` into the input of the next: with histories, push and pull."""
        if self.histories is None:
            return h
        return self.histories.exchange(layer, h, self.node_ids)

    def to(self, device: torch.device) -> Batch:
        """Copy every tensor to `device`; the batch itself if it is there already."""
        if self.x.device == device:
            return self
        return replace(self, **_moved(self, device), _blocks={})

    def _num_src(self, layer: int) -> int:
        if layer == 0 or self.histories is not None:
            return len(self.node_ids)
        return self.num_dst[layer - 1]


def _moved(holder: GraphData | Batch, device: torch.device) -> dict[str, Any]:
    names = holder.__dataclass_fields__
    values = {name: getattr(holder, name) for name in names}
    return {
        name: value.to(device, non_blocking=True)
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


@runtime_checkable
class Sampler(Protocol):
    """Built as `Cls(graph, num_layers=.., device=.., seed=.., **yaml)`; an iteration is an epoch.

    `has_halo`: some nodes of a batch come without their in-edges, only to be read by others.
    """

    has_halo: bool

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...
