"""The graph and the batch: what crosses the borders between datasets, samplers, models and loop.

Edges are stored as CSR by destination: the in-neighbours of node `i`, whose messages it receives,
are `col[rowptr[i]:rowptr[i + 1]]`. There are no self-loops; layers that want them ask a `Block`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int32, Int64, Integer
from torch import Tensor

from redditgnn.csr import CSR, gather_rows, pointers
from redditgnn.features import Rows
from redditgnn.fingerprint import Fingerprint
from redditgnn.histories import Histories

Split = Literal["train", "val", "test"]


class GraphSpec(NamedTuple):
    """What sizes a model. `multi_label`: a node has any number of the classes (loss BCE).

    `mean_log_degree`: mean of log(in-degree + 1) over the nodes.
    """

    num_nodes: int
    num_features: int
    num_classes: int
    multi_label: bool
    mean_log_degree: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphData:
    """A graph with features, labels and a split.

    `y` holds class indices, or 0/1 floats [nodes, classes] if nodes carry several labels.
    `fingerprint` hashes what a score depends on: graphs with different ones are not comparable.
    `cache_dir` is where derived files (partitions) may be kept; None: nowhere.
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
    fingerprint: Fingerprint
    cache_dir: Path | None = None
    _copies: dict[torch.device, GraphData] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    @property
    def num_nodes(self) -> int:
        return self.x.size(0)

    @property
    def num_edges(self) -> int:
        return self.col.numel()

    @property
    def num_bytes(self) -> int:
        """Size of features and adjacency: what computing on the whole graph holds at least."""
        return sum(t.numel() * t.element_size() for t in (self.x, self.rowptr, self.col))

    @property
    def spec(self) -> GraphSpec:
        logs, multi_label = self.degree.double().log1p(), self.y.dim() == 2
        sizes = self.num_nodes, self.x.size(1), self.num_classes
        return GraphSpec(*sizes, multi_label, float(logs.mean()))

    @property
    def degree(self) -> Int64[Tensor, " nodes"]:
        """Number of in-neighbours of each node."""
        return self.rowptr.diff()

    def rows(self, node_ids: Int64[Tensor, " rows"] | None = None) -> Rows:
        """Return the features of these nodes, or of all, not gathered before they are read."""
        return Rows(self.x, node_ids)

    def mask(self, split: Split) -> Bool[Tensor, " nodes"]:
        return {"train": self.train_mask, "val": self.val_mask, "test": self.test_mask}[split]

    def to(self, device: torch.device) -> GraphData:
        """Copy every tensor to `device`, once; the graph itself if it is there already."""
        if self.x.device == device:
            return self
        if device not in self._copies:
            self._copies[device] = replace(self, **_moved(self, device))
        return self._copies[device]

    @property
    def writable_cache_dir(self) -> Path | None:
        """The folder of the dataset's cache, if there is one that files may be put into."""
        folder = self.cache_dir
        return folder if folder is not None and os.access(folder, os.W_OK) else None

    def forget_copies(self) -> None:
        """Let go of what `to` has kept."""
        self._copies.clear()

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
            fingerprint=self.fingerprint.of_induced(int(inside.sum())),
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


class Block:
    """What one layer computes: messages from `num_src` nodes to the first `num_dst` of them.

    Attributes:
        rowptr, col: CSR of the destinations, in local indices.
        degree: In-degree of each source in the graph that the batch stands for.
        row_weight, edge_weight: `sum(edge_weight * message)` over the batch's edges of a row
            estimates the sum over all its edges. None where the batch has all of them. Where a
            row's edges were equally likely to be drawn, all weigh `row_weight` = degree / drawn,
            and a mean needs no weights; otherwise `row_weight` is None.
    """

    def __init__(
        self,
        rowptr: Int64[Tensor, " num_dst_plus_1"],
        col: Int32[Tensor, " edges"],
        num_src: int,
        degree: Integer[Tensor, " num_src"],
        edge_weight: Float[Tensor, " edges"] | None = None,
        row_weight: Float[Tensor, " num_dst"] | None = None,
    ) -> None:
        assert edge_weight is None or row_weight is None, "weights are by edge or by row"
        self.rowptr, self.col, self.num_src = rowptr, col, num_src
        self.num_dst = len(rowptr) - 1
        self.degree, self.row_weight, self._edge_weight = degree, row_weight, edge_weight

    @property
    def has_equal_weights(self) -> bool:
        """Whether the edges of a row weigh the same: the mean over them needs no weights."""
        return self._edge_weight is None

    @cached_property
    def edge_weight(self) -> Float[Tensor, " edges"] | None:
        if self.row_weight is None:
            return self._edge_weight
        return self.row_weight[self.csr.row]

    @cached_property
    def csr(self) -> CSR:
        """The edges, with a transpose that is computed once."""
        return CSR(self.rowptr, self.col, self.num_src)

    @cached_property
    def csr_with_self_loops(self) -> CSR:
        """The edges and one self-loop for each destination, at the end of its row."""
        rows = torch.arange(self.num_dst + 1, device=self.col.device)
        rowptr = self.rowptr + rows
        col = self.col.new_empty(len(self.col) + self.num_dst)
        col[torch.arange(len(self.col), device=self.col.device) + self.csr.row] = self.col
        col[rowptr[1:] - 1] = rows[:-1].to(col.dtype)
        return CSR(rowptr, col, self.num_src)

    @cached_property
    def edge_index(self) -> Int64[Tensor, "2 edges"]:
        """COO (source, destination), as any convolution of PyG takes it."""
        return torch.stack([self.col.long(), self.csr.row])


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A subgraph whose first `num_targets` nodes are to be predicted.

    Nodes stand in breadth-first order, targets first; row i of the CSR and of `features` belongs
    to global node `node_ids[i]`. Layer l computes the rows [0, num_dst[l]) and no others, so that
    a layer's block is a prefix of the CSR. `(loss_weight * per_node_loss).sum()` estimates the
    mean loss over the training nodes: the sampler owns the normalisation. `num_edges` are those
    that each layer reads; None reads them off `rowptr`, for which a device has to be waited for.
    """

    features: Rows
    y: Int64[Tensor, " targets"] | Float[Tensor, "targets classes"]
    loss_weight: Float[Tensor, " targets"]
    node_ids: Int64[Tensor, " nodes"]
    rowptr: Int64[Tensor, " rows_plus_1"]
    col: Int32[Tensor, " edges"]
    degree: Integer[Tensor, " nodes"]
    num_dst: tuple[int, ...]
    num_edges: tuple[int, ...] | None = None
    edge_weight: Float[Tensor, " edges"] | None = None
    row_weight: Float[Tensor, " rows"] | None = None
    histories: Histories | None = None
    _blocks: dict[tuple[int, int], Block] = field(default_factory=dict, repr=False, compare=False)

    @property
    def x(self) -> Float[Tensor, "nodes features"]:
        """The features, gathered when first asked for, in float32."""
        return self.features.gathered

    @property
    def num_targets(self) -> int:
        return self.num_dst[-1]

    def block(self, layer: int) -> Block:
        """Return what layer `layer` computes: views of the CSR, kept for the next call."""
        num_dst, num_src = self.num_dst[layer], self._num_src(layer)
        if (num_dst, num_src) not in self._blocks:
            num_edges = self.num_edges[layer] if self.num_edges else int(self.rowptr[num_dst])
            self._blocks[num_dst, num_src] = Block(
                self.rowptr[: num_dst + 1],
                self.col[:num_edges],
                num_src,
                self.degree[:num_src],
                None if self.edge_weight is None else self.edge_weight[:num_edges],
                None if self.row_weight is None else self.row_weight[:num_dst],
            )
        return self._blocks[num_dst, num_src]

    def begin(self) -> None:
        """Say that the forward pass begins: what histories keep far away is fetched."""
        if self.histories is not None:
            self.histories.begin()

    def penalty(self, model: Any) -> Float[Tensor, ""] | None:
        """Return what histories add to the loss, behind the forward pass; None: nothing."""
        return None if self.histories is None else self.histories.penalty(model, self)

    def exchange(self, layer: int, h: Float[Tensor, "rows width"]) -> Tensor:
        """Turn the output of `layer` into the input of the next: with histories, push and pull."""
        if self.histories is None:
            return h
        return self.histories.exchange(layer, h, self.node_ids)

    def to(self, device: torch.device) -> Batch:
        """Copy every tensor to `device`; the batch itself if it is there already."""
        if self.rowptr.device == device and self.features.device == device:
            return self
        num_edges = self.num_edges or tuple(int(self.rowptr[rows]) for rows in self.num_dst)
        moved = _moved(self, device) | {"features": self.features.to(device)}
        return replace(self, **moved, num_edges=num_edges, _blocks={})

    def _num_src(self, layer: int) -> int:
        if layer == 0 or self.histories is not None:
            return len(self.node_ids)
        return self.num_dst[layer - 1]


def _moved(holder: GraphData | Batch, device: torch.device) -> dict[str, Any]:
    values = {name: getattr(holder, name) for name in holder.__dataclass_fields__}
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
