"""The graph that datasets load, and that samplers and evaluation read.

Edges are stored as CSR by destination: the in-neighbours of node `i`, whose messages it receives,
are `col[rowptr[i]:rowptr[i + 1]]`. There are no self-loops: layers that need them use `Block`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64, Real, Shaped
from numpy import ndarray
from torch import Tensor

from redditgnn.graph.csr import entries_of_rows, gather_rows, pointers, row_sums
from redditgnn.graph.features import Rows
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.graph.sparse_features import (
    SparseFeatures,
    dense_bytes,
    selected_rows,
    stored_bytes,
)

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
ROWS_AT_ONCE = 2**14  # of a subgraph, whose edges take 40 bytes each while they are selected
TIMES = ("node_time", "edge_time")  # arrays of a graph that no model reads


class GraphSpec(NamedTuple):
    """The facts about a graph that size a model.

    `multi_label`: a node may have several classes (loss BCE). `mean_log_degree`: mean of
    log(in-degree + 1) over the nodes.
    """

    num_nodes: int
    num_features: int
    num_classes: int
    multi_label: bool
    mean_log_degree: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What the files call nodes, features and classes. None where they are numbered from 0.

    `nodes` holds integers or strings. It is an array, which may be mapped from a file.
    """

    nodes: Shaped[ndarray, " nodes"] | None = None
    features: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None


NO_NAMES = Names()


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphData:
    """A graph with features, labels and a split.

    `y` holds class indices, or 0/1 floats [nodes, classes] if nodes carry several labels. A node
    without labels has -1 (in every column), and is in no split. `edge_weight` belongs to `col`.
    None means that all edges count alike.
    `node_time` is when each node came, `edge_time` when each entry of `col` did, in one unit. None
    where that is not known. With `edge_time`, a row may have a source several times.
    `fingerprint` hashes all that a score depends on. Scores are comparable only if it is equal.
    `x` is sparse if its source gives few non-zeros.
    `cache_dir` is the folder for derived files such as partitions. None stores none.
    """

    name: str
    x: Float[Tensor, "nodes features"] | SparseFeatures
    rowptr: Int64[Tensor, " nodes_plus_1"]
    col: Int32[Tensor, " edges"]
    y: Int64[Tensor, " nodes"] | Float[Tensor, "nodes classes"]
    num_classes: int
    train_mask: Bool[Tensor, " nodes"]
    val_mask: Bool[Tensor, " nodes"]
    test_mask: Bool[Tensor, " nodes"]
    fingerprint: Fingerprint
    edge_weight: Float32[Tensor, " edges"] | None = None
    node_time: Int64[Tensor, " nodes"] | Float64[Tensor, " nodes"] | None = None
    edge_time: Int64[Tensor, " edges"] | Float64[Tensor, " edges"] | None = None
    names: Names = field(default=NO_NAMES, compare=False)
    cache_dir: Path | None = None
    _copies: dict[torch.device, GraphData] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    @property
    def num_nodes(self) -> int:
        return self.x.shape[0]

    @property
    def num_edges(self) -> int:
        return self.col.numel()

    @property
    def num_bytes(self) -> int:
        """Bytes of features and adjacency, the least that a whole-graph computation holds."""
        return stored_bytes(self.x) + self._adjacency_bytes

    @property
    def num_bytes_on_cuda(self) -> int:
        """The same on a CUDA device, where features are dense."""
        return dense_bytes(self.x) + self._adjacency_bytes

    @property
    def _adjacency_bytes(self) -> int:
        tensors = (self.rowptr, self.col, self.edge_weight)
        return sum(t.numel() * t.element_size() for t in tensors if t is not None)

    @property
    def spec(self) -> GraphSpec:
        logs, multi_label = self.degree.double().log1p(), self.y.dim() == 2
        num_nodes, num_features = self.x.shape
        sizes = num_nodes, num_features, self.num_classes
        return GraphSpec(*sizes, multi_label, float(logs.mean()))

    @property
    def degree(self) -> Int64[Tensor, " nodes"]:
        """Number of in-neighbours of each node."""
        return self.rowptr.diff()

    @property
    def weighted_degree(self) -> Real[Tensor, " nodes"]:
        """Sum of the weights of each node's in-edges: their number in a graph without weights.

        It is computed anew from all weights in every call.
        """
        return self.degree if self.edge_weight is None else row_sums(self.rowptr, self.edge_weight)

    @property
    def dense_x(self) -> Float[Tensor, "nodes features"]:
        """The features as one tensor, in the precision that they are stored in."""
        return self.x if isinstance(self.x, Tensor) else self.x.gather()

    def rows(self, node_ids: Int64[Tensor, " rows"] | None = None) -> Rows:
        """Return the features of these nodes, or of all. They are gathered when read."""
        return Rows(self.x, node_ids)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the files call the classes, or their numbers as text."""
        return self.names.classes or tuple(map(str, range(self.num_classes)))

    def mask(self, split: Split) -> Bool[Tensor, " nodes"]:
        return {"train": self.train_mask, "val": self.val_mask, "test": self.test_mask}[split]

    def to(self, device: torch.device) -> GraphData:
        """Copy every tensor to `device`, once. Returns the graph itself if it is already there.

        Sparse features become dense there. Times stay where they are.
        """
        if self.x.device == device:
            return self
        if device not in self._copies:
            copies = tensors_on(self, device, TIMES)
            if isinstance(self.x, SparseFeatures):
                copies["x"] = self.x.to(device).gather()
            self._copies[device] = replace(self, **copies)
        return self._copies[device]

    @property
    def writable_cache_dir(self) -> Path | None:
        """The dataset's cache folder, or None if there is none or it is not writable."""
        folder = self.cache_dir
        return folder if folder is not None and os.access(folder, os.W_OK) else None

    def forget_copies(self) -> None:
        """Drop the copies that `to` cached."""
        self._copies.clear()

    def subgraph(self, keep: Bool[Tensor, " nodes"]) -> GraphData:
        """Return the subgraph of the nodes in `keep`, in their order, with the edges among them."""
        node_ids = keep.nonzero().view(-1)
        new_id = torch.full((self.num_nodes,), -1, dtype=torch.int32)
        new_id[node_ids] = torch.arange(len(node_ids), dtype=torch.int32)
        pieces = [self._edges_among(ids, new_id) for ids in node_ids.split(ROWS_AT_ONCE)]
        counts, cols, weights, times = zip(*pieces, strict=True)
        col = torch.cat(cols)
        return replace(
            self,
            x=selected_rows(self.x, node_ids),
            rowptr=pointers(torch.cat(counts)),
            col=col,
            edge_weight=_joined(weights),
            node_time=None if self.node_time is None else self.node_time[node_ids],
            edge_time=_joined(times),
            names=self._names_of(node_ids),
            y=self.y[node_ids],
            train_mask=self.train_mask[node_ids],
            val_mask=self.val_mask[node_ids],
            test_mask=self.test_mask[node_ids],
            fingerprint=self.fingerprint.of_subgraph(len(col)),
        )

    def _edges_among(
        self, node_ids: Int64[Tensor, " rows"], new_id: Int32[Tensor, " nodes"]
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Return the edges into `node_ids` whose sources have a new id, which is not -1.

        Their number for each node, their sources, and their weights and times if they have any.
        """
        _, rows, entries = entries_of_rows(self.rowptr, node_ids)
        col = new_id[self.col[entries]]
        inside = col >= 0
        entries = entries[inside]
        counts = torch.bincount(rows[inside], minlength=len(node_ids))
        weight, time = (
            None if values is None else values[entries]
            for values in (self.edge_weight, self.edge_time)
        )
        return counts, col[inside], weight, time

    def _names_of(self, node_ids: Int64[Tensor, " rows"]) -> Names:
        nodes = self.names.nodes
        return replace(self.names, nodes=None if nodes is None else nodes[node_ids.numpy()])

    def weights_of_rows(
        self, node_ids: Int64[Tensor, " rows"]
    ) -> Float32[Tensor, " entries"] | None:
        """Return the weights of all in-edges of `node_ids`, in the order of `neighborhood`."""
        if self.edge_weight is None:
            return None
        return self.edge_weight[entries_of_rows(self.rowptr, node_ids)[2]]

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


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    known = [part for part in parts if part is not None]
    return torch.cat(known) if known else None


def tensors_on(holder: Any, device: torch.device, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the tensors among the fields of a dataclass, copied to `device`, by name."""
    names = [name for name in holder.__dataclass_fields__ if name not in without]
    values = {name: getattr(holder, name) for name in names}
    return {
        name: value.to(device, non_blocking=True)
        for name, value in values.items()
        if isinstance(value, Tensor)
    }
