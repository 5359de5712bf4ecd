"""One layer over the full graph, ours and the peers', with the same weights and the same edges.

Every peer gets its favourite input made beforehand: PyG's attention layers a graph that has its
self-loops already, GCNConv the leave to keep its normalisation (`cached`), DGL int32 indices.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg
from torch_geometric import typing as extensions

from redditgnn.config import compose_settings
from redditgnn.csr import row_of_edge
from redditgnn.graph import Block, GraphData, GraphSpec
from scripts.bench.cases.layer_kinds import KINDS, Work, import_dgl

Layer = Callable[[Tensor], Tensor]
CHECKED_ROWS = 64


class Case:
    """Inputs, edges and our layer of one piece of work, reproducible from the seed."""

    def __init__(self, work: Work, graph: GraphData, device: torch.device, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.work, self.kind, self.device = work, KINDS[work.kind], device
        self.num_nodes = graph.num_nodes
        width = work.heads * work.channels
        col, degree = graph.col.clone().to(device), graph.degree.to(device)
        self.block = Block(graph.rowptr.clone().to(device), col, self.num_nodes, degree, None)
        spec = GraphSpec(self.num_nodes, work.in_channels, 2, False)
        overrides = [*self.kind.overrides(work), f"model.hidden_channels={width}"]
        self.model = compose_settings([f"model={self.kind.model}", *overrides]).build("model", spec)
        self.model.to(device).train()
        self.conv: nn.Module = self.model.convs[0]  # not the last one: its heads are concatenated
        h = torch.randn(self.num_nodes, work.in_channels)
        self.h = h.to(device).requires_grad_()
        self.cotangent = torch.randn(self.num_nodes, width).to(device)

    @cached_property
    def csr(self) -> tuple[Tensor, Tensor]:
        """The edges of the layer: with self-loops where its equation has them."""
        return self._edges(self.kind.loops)

    @cached_property
    def pyg_csr(self) -> tuple[Tensor, Tensor]:
        """The edges as PyG's layer wants them."""
        return self._edges(self.kind.pyg_loops)

    def _edges(self, loops: bool) -> tuple[Tensor, Tensor]:
        csr = self.block.csr_with_self_loops if loops else self.block.csr
        return csr.rowptr, csr.col

    @cached_property
    def checked_rows(self) -> Tensor:
        """Rows that are compared with float64: random ones and the one with the most edges."""
        generator = torch.Generator().manual_seed(1)
        rows = torch.randint(self.num_nodes, (CHECKED_ROWS,), generator=generator)
        return torch.cat([rows, self.block.degree.argmax().view(1).cpu()]).unique()

    def forward(self, layer: Layer) -> Tensor:
        """Evaluate the layer without a gradient."""
        with torch.no_grad():
            return layer(self.h)

    def forward_backward(self, layer: Layer) -> Tensor:
        """Evaluate the layer and the gradients of its input and its weights."""
        self.h.grad = None
        self.conv.zero_grad(set_to_none=True)
        out = layer(self.h)
        out.backward(self.cotangent)
        return out.detach()

    def mask_cotangent(self) -> None:
        """Zero the gradient of all outputs but the checked rows, whose float64 one is at hand."""
        keep = torch.zeros(self.num_nodes, 1, device=self.device)
        keep[self.checked_rows.to(self.device)] = 1
        self.cotangent *= keep


def ours(case: Case) -> Layer:
    """The layer as the project's models call it."""
    return lambda h: case.model.convolve(case.conv, h, case.block)


def _pyg_layer(case: Case, adjacency: Any) -> Layer:
    conv = case.kind.pyg(case.work).to(case.device).train()
    conv.load_state_dict(case.conv.state_dict())
    return lambda h: conv(h, adjacency)


def _pyg_edge_index(case: Case) -> Layer:
    rowptr, col = case.pyg_csr
    return _pyg_layer(case, torch.stack([col.long(), row_of_edge(rowptr)]))


def _pyg_sparse_csr(case: Case) -> Layer:
    rowptr, col = case.pyg_csr
    ones = torch.ones(col.numel(), device=col.device)
    size = (case.num_nodes, case.num_nodes)
    adjacency = torch.sparse_csr_tensor(rowptr, col.long(), ones, size, check_invariants=False)
    return _pyg_layer(case, adjacency)


def _pyg_sparse_tensor(case: Case) -> Layer:
    from torch_sparse import SparseTensor

    rowptr, col = case.pyg_csr
    size = (case.num_nodes, case.num_nodes)
    adjacency = SparseTensor(rowptr=rowptr, col=col.long(), sparse_sizes=size, is_sorted=True)
    return _pyg_layer(case, adjacency.fill_cache_())


def _dgl(case: Case) -> Layer:
    dgl = import_dgl()
    rowptr, col = case.csr
    edge_ids = torch.arange(col.numel(), device=col.device)
    graph = dgl.graph(("csc", (rowptr, col.long(), edge_ids)), num_nodes=case.num_nodes).int()
    made = case.kind.dgl
    assert made is not None, "available_sides() names DGL only where it has such a layer"
    conv = made(dgl.nn, case.work, case.conv).to(case.device).train()
    return lambda h: conv(graph, h).flatten(1)


PLAIN = "pyg edge_index"
SIDES: dict[str, Callable[[Case], Layer]] = {
    "ours": ours,
    PLAIN: _pyg_edge_index,
    "pyg sparse_csr": _pyg_sparse_csr,
    "pyg SparseTensor": _pyg_sparse_tensor,
    "dgl": _dgl,
}


def available_sides(kind: str) -> list[str]:
    """Name the sides that have such a layer and can run here, ours first."""
    missing = {
        "pyg SparseTensor": not extensions.WITH_TORCH_SPARSE,
        "dgl": KINDS[kind].dgl is None or importlib.util.find_spec("dgl") is None,
    }
    return [name for name in SIDES if not missing.get(name, False)]


def exact(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the checked rows with PyG's layer in float64, on the CPU.

    Returns:
        Their outputs; the nodes that they read, and the gradient of `h` there under the masked
        cotangent.
    """
    rows = case.checked_rows
    rowptr, col = (part.cpu() for part in case.csr)
    counts = rowptr[rows + 1] - rowptr[rows]
    row = torch.arange(len(rows)).repeat_interleave(counts)
    start = (rowptr[rows] - counts.cumsum(0) + counts)[row]
    source, local = col[start + torch.arange(len(row))].long().unique(return_inverse=True)
    conv = case.kind.pyg(case.work).double()
    conv.load_state_dict({name: w.cpu().double() for name, w in case.conv.state_dict().items()})
    nodes = torch.cat([source, rows])  # the sources, then the rows themselves
    h = case.h.detach().cpu().double()[nodes].requires_grad_()
    edge_index = torch.stack([local, row])
    out = _bipartite(case, conv, h, edge_index, source, rows)
    out.backward(case.cotangent.cpu().double()[rows])
    gradient = torch.zeros(case.num_nodes, h.size(1), dtype=torch.float64)
    gradient.index_add_(0, nodes, h.grad)
    touched = nodes.unique()
    return out.detach(), touched, gradient[touched]


def _bipartite(
    case: Case, conv: nn.Module, h: Tensor, edge_index: Tensor, source: Tensor, rows: Tensor
) -> Tensor:
    if not isinstance(conv, pyg.GCNConv | pyg.PNAConv):
        return conv(h.split([len(source), len(rows)]), edge_index)
    placed = torch.stack([edge_index[0], edge_index[1] + len(source)])
    if isinstance(conv, pyg.PNAConv):
        return conv(h, placed)[len(source) :]
    conv.normalize = False  # the degrees are those of the whole graph, which it does not see
    scale = (case.block.degree.cpu().double() + 1).rsqrt()
    weight = scale[source][edge_index[0]] * scale[rows][edge_index[1]]
    return conv(h, placed, weight)[len(source) :]
