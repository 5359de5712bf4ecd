"""The sorts of layers that are compared: how each is made here, by PyG, by DGL; what it costs."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch_geometric import nn as pyg

from redditgnn.graph import GraphData
from scripts.bench.cases import floors
from scripts.bench.cases.floors import Shape


@dataclass(frozen=True, kw_only=True)
class Work:
    """A layer of `heads` x `channels` outputs that reads `in_channels`; `kind` is one of KINDS."""

    name: str
    kind: str
    in_channels: int = 64
    heads: int = 1
    channels: int
    attention_dropout: float = 0.0


@dataclass(frozen=True)
class Kind:
    """How a sort of layer is made, everywhere, and what it costs at least.

    `loops`: whether its equation has self-loops; `pyg_loops`: whether PyG's layer, made by `pyg`,
    needs them in the graph that it is given. `dgl` makes DGL's layer out of ours; None: DGL's is
    another one.
    """

    model: str
    overrides: Callable[[Work], list[str]]
    loops: bool
    pyg_loops: bool
    pyg: Callable[[Work], nn.Module]
    dgl: Callable[[Any, Work, nn.Module], nn.Module] | None
    bytes: Callable[[Shape], floors.Bytes]


def least_bytes(work: Work, phase: str, graph: GraphData) -> int:
    """Return the bytes that the work must move (floors.py)."""
    kind = KINDS[work.kind]
    edges = graph.num_edges + (graph.num_nodes if kind.loops else 0)
    shape = Shape(graph.num_nodes, edges, work.in_channels, work.heads, work.channels)
    return getattr(kind.bytes(shape), phase)


def import_dgl() -> Any:
    """Import DGL 2.1.0 without GraphBolt.

    Its wheel has GraphBolt only for torch 2.0.0 to 2.2.1 and refuses to be imported with any other;
    the layers and the old data loader do not need it and run with the torch that we use.
    """
    if "dgl" not in sys.modules:
        sys.modules["dgl.graphbolt"] = _Nothing("dgl.graphbolt")
    import dgl

    return dgl


class _Nothing(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _attention_overrides(work: Work) -> list[str]:
    return [f"model.heads={work.heads}", f"model.attention_dropout={work.attention_dropout}"]


def _none(work: Work) -> list[str]:
    return []


def _pyg_attention(conv_class: type[nn.Module], work: Work) -> nn.Module:
    return conv_class(
        work.in_channels,
        work.channels,
        work.heads,
        dropout=work.attention_dropout,
        add_self_loops=False,  # they are in the graph already
    )


def _pyg_pna(work: Work) -> nn.Module:
    deg = torch.tensor([0, 1])  # of which PyG keeps two means; ours come with the weights
    return pyg.PNAConv(work.in_channels, work.channels, *PNA_READS, deg=deg)


def _dgl_gat(layers: Any, work: Work, conv: Any) -> nn.Module:
    made = layers.GATConv(
        work.in_channels, work.channels, work.heads, attn_drop=work.attention_dropout
    )
    with torch.no_grad():
        made.fc.weight.copy_(conv.lin.weight)
        made.attn_l.copy_(conv.att_src)
        made.attn_r.copy_(conv.att_dst)
        made.bias.copy_(conv.bias)
    return made


def _dgl_gatv2(layers: Any, work: Work, conv: Any) -> nn.Module:
    made = layers.GATv2Conv(
        work.in_channels, work.channels, work.heads, attn_drop=work.attention_dropout
    )
    made.fc_src.load_state_dict(conv.lin_l.state_dict())
    made.fc_dst.load_state_dict(conv.lin_r.state_dict())
    with torch.no_grad():
        made.attn.copy_(conv.att)
    return made


def _dgl_sage(layers: Any, work: Work, conv: Any) -> nn.Module:
    made = layers.SAGEConv(work.in_channels, work.channels, "mean")
    with torch.no_grad():
        made.fc_neigh.weight.copy_(conv.lin_l.weight)
        made.fc_self.weight.copy_(conv.lin_r.weight)
        made.fc_self.bias.copy_(conv.lin_l.bias)
    return made


def _dgl_gcn(layers: Any, work: Work, conv: Any) -> nn.Module:
    made = layers.GraphConv(work.in_channels, work.channels, norm="both")
    with torch.no_grad():
        made.weight.copy_(conv.lin.weight.T)
        made.bias.copy_(conv.bias)
    return made


PNA_READS = ["mean", "max", "min", "std"], ["identity", "amplification", "attenuation"]
KINDS = {
    "gat": Kind(
        model="gat",
        overrides=_attention_overrides,
        loops=True,
        pyg_loops=True,
        pyg=partial(_pyg_attention, pyg.GATConv),
        dgl=_dgl_gat,
        bytes=floors.gat_bytes,
    ),
    "gatv2": Kind(
        model="gatv2",
        overrides=_attention_overrides,
        loops=True,
        pyg_loops=True,
        pyg=partial(_pyg_attention, pyg.GATv2Conv),
        dgl=_dgl_gatv2,
        bytes=floors.gatv2_bytes,
    ),
    "sage": Kind(
        model="sage",
        overrides=_none,
        loops=False,
        pyg_loops=False,
        pyg=lambda work: pyg.SAGEConv(work.in_channels, work.channels),
        dgl=_dgl_sage,
        bytes=floors.aggregation_bytes,
    ),
    "gcn": Kind(
        model="gcn",
        overrides=_none,
        loops=True,
        pyg_loops=False,  # GCNConv adds them, and keeps what it made
        pyg=lambda work: pyg.GCNConv(work.in_channels, work.channels, cached=True),
        dgl=_dgl_gcn,
        bytes=floors.aggregation_bytes,
    ),
    "pna": Kind(
        model="pna",
        overrides=_none,
        loops=False,
        pyg_loops=False,
        pyg=_pyg_pna,
        dgl=None,  # mixes towers, and has a LeakyReLU, even where there is one tower
        bytes=floors.pna_bytes,
    ),
}
