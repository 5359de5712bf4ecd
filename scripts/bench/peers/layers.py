"""The sides of one layer: ours and the peers', with the same weights and the same edges.

Every peer gets its favourite input, prepared beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch_geometric import typing as extensions

from redditgnn.graph.csr import CSR
from scripts.bench.cases.layers import Layer, LayerCase
from scripts.bench.peers.dgl_layers import dgl_layer, has_dgl
from scripts.bench.peers.pyg_layers import PYG_KINDS, edge_index, sparse_csr, sparse_tensor


def ours(case: LayerCase) -> Layer:
    """Return the layer as the project's models call it."""
    return lambda h: case.model.convolve(case.conv, h, case.block)


def pyg(form: Callable[[CSR], Any], case: LayerCase) -> Layer:
    """Return PyG's layer over edges in the given form."""
    kind = PYG_KINDS[case.work.kind]
    conv = kind.layer(case.work).to(case.device).train()
    conv.load_state_dict(case.conv.state_dict())
    adjacency = form(case.edges(kind.needs_loops))
    return lambda h: conv(h, adjacency)


PLAIN = "pyg edge_index"
SIDES: dict[str, Callable[[LayerCase], Layer]] = {
    "ours": ours,
    PLAIN: partial(pyg, edge_index),
    "pyg sparse_csr": partial(pyg, sparse_csr),
    "pyg SparseTensor": partial(pyg, sparse_tensor),
    "dgl": dgl_layer,
}


def available_sides(kind: str) -> list[str]:
    """Name the sides that have such a layer and can run here, ours first."""
    can_run = {"pyg SparseTensor": extensions.WITH_TORCH_SPARSE, "dgl": has_dgl(kind)}
    return [name for name in SIDES if can_run.get(name, True)]
