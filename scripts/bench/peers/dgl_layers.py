"""The layers of DGL, with the weights of ours."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from scripts.bench.cases.layer_works import LayerWork
from scripts.bench.cases.layers import Layer, LayerCase


def has_dgl(kind: str) -> bool:
    """Whether DGL is installed and its layer of this kind is the same as ours."""
    return kind in DGL_LAYERS and importlib.util.find_spec("dgl") is not None


def dgl_layer(case: LayerCase) -> Layer:
    """Return DGL's layer over int32 indices, which is fastest."""
    dgl = import_dgl()
    csr = case.edges(case.kind.loops)
    edge_ids = torch.arange(csr.col.numel(), device=csr.col.device)
    edges = ("csc", (csr.rowptr, csr.col.long(), edge_ids))
    graph = dgl.graph(edges, num_nodes=case.num_nodes).int()
    conv = DGL_LAYERS[case.work.kind](dgl.nn, case.work, case.conv).to(case.device).train()

    def layer(h: Tensor) -> Tensor:
        out: Tensor = conv(graph, h)
        return out.flatten(1)

    return layer


def import_dgl() -> Any:
    """Import DGL 2.1.0 without GraphBolt.

    Its wheel has GraphBolt for torch 2.0.0 to 2.2.1 only, and cannot be imported beside any other.
    The layers do not need it, and run with the torch that we use.
    """
    if "dgl" not in sys.modules:
        sys.modules["dgl.graphbolt"] = _EmptyModule("dgl.graphbolt")
    import dgl

    return dgl


class _EmptyModule(types.ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _gat(layers: Any, work: LayerWork, conv: Any) -> nn.Module:
    layer = layers.GATConv(
        work.in_channels, work.channels, work.heads, attn_drop=work.attention_dropout
    )
    with torch.no_grad():
        layer.fc.weight.copy_(conv.lin.weight)
        layer.attn_l.copy_(conv.att_src)
        layer.attn_r.copy_(conv.att_dst)
        layer.bias.copy_(conv.bias)
    return layer


def _gatv2(layers: Any, work: LayerWork, conv: Any) -> nn.Module:
    layer = layers.GATv2Conv(
        work.in_channels, work.channels, work.heads, attn_drop=work.attention_dropout
    )
    layer.fc_src.load_state_dict(conv.lin_l.state_dict())
    layer.fc_dst.load_state_dict(conv.lin_r.state_dict())
    with torch.no_grad():
        layer.attn.copy_(conv.att)
    return layer


def _sage(layers: Any, work: LayerWork, conv: Any) -> nn.Module:
    layer = layers.SAGEConv(work.in_channels, work.channels, "mean")
    with torch.no_grad():
        layer.fc_neigh.weight.copy_(conv.lin_l.weight)
        layer.fc_self.weight.copy_(conv.lin_r.weight)
        layer.fc_self.bias.copy_(conv.lin_l.bias)
    return layer


def _gcn(layers: Any, work: LayerWork, conv: Any) -> nn.Module:
    layer = layers.GraphConv(work.in_channels, work.channels, norm="both")
    with torch.no_grad():
        layer.weight.copy_(conv.lin.weight.T)
        layer.bias.copy_(conv.bias)
    return layer


# Without PNA: DGL's mixes towers, and has a LeakyReLU, even with a single tower.
DGL_LAYERS: dict[str, Callable[[Any, LayerWork, Any], nn.Module]] = {
    "gat": _gat,
    "gatv2": _gatv2,
    "sage": _sage,
    "gcn": _gcn,
}
