"""The layers of PyG, and the forms in which they take the edges.

PyG's attention layers get a graph that has its self-loops already, GCNConv may keep its
normalisation (`cached`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg

from redditgnn.graph.csr import CSR, row_of_edge
from redditgnn.graph.data import GraphData
from scripts.bench.cases.layer_works import LayerWork

PNA_READS = ["mean", "max", "min", "std"], ["identity", "amplification", "attenuation"]


@dataclass(frozen=True)
class PygKind:
    """How PyG's layer is made, and whether it needs self-loops in the graph that it is given."""

    layer: Callable[[LayerWork], nn.Module]
    needs_loops: bool


def _attention(layer_class: type[nn.Module], work: LayerWork) -> nn.Module:
    return layer_class(
        work.in_channels,
        work.channels,
        work.heads,
        dropout=work.attention_dropout,
        add_self_loops=False,  # they are in the graph already
    )


def _sage(work: LayerWork) -> nn.Module:
    return pyg.SAGEConv(work.in_channels, work.channels)


def _gcn(work: LayerWork) -> nn.Module:
    return pyg.GCNConv(work.in_channels, work.channels, cached=True)


def _pna(work: LayerWork) -> nn.Module:
    deg = torch.tensor([0, 1])  # of which PyG keeps two means; ours come with the weights
    return pyg.PNAConv(work.in_channels, work.channels, *PNA_READS, deg=deg)


PYG_KINDS = {
    "gat": PygKind(partial(_attention, pyg.GATConv), needs_loops=True),
    "gatv2": PygKind(partial(_attention, pyg.GATv2Conv), needs_loops=True),
    "sage": PygKind(_sage, needs_loops=False),
    "gcn": PygKind(_gcn, needs_loops=False),  # adds them itself
    "pna": PygKind(_pna, needs_loops=False),
}


def edge_index(edges: CSR | GraphData) -> Tensor:
    """Return the edges as PyG's users have them."""
    return torch.stack([edges.col.long(), row_of_edge(edges.rowptr)])


def sparse_csr(csr: CSR) -> Any:
    """Return the edges as a sparse tensor of torch."""
    ones = torch.ones(csr.col.numel(), device=csr.col.device)
    size = (csr.num_src, csr.num_src)
    return torch.sparse_csr_tensor(csr.rowptr, csr.col.long(), ones, size, check_invariants=False)


def sparse_tensor(csr: CSR) -> Any:
    """Return the edges as a SparseTensor of torch_sparse, which keeps its transpose."""
    from torch_sparse import SparseTensor

    size = (csr.num_src, csr.num_src)
    adjacency = SparseTensor(
        rowptr=csr.rowptr, col=csr.col.long(), sparse_sizes=size, is_sorted=True
    )
    return adjacency.fill_cache_()
