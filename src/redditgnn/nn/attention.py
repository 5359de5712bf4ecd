"""PyG's attention layers with fused attention: same constructor, parameters and results.

PyG's methods with edge-sized tensors, `edge_updater` and `propagate`, are replaced by one call of
`redditgnn.kernels.attention.operator`. The rest is PyG's own `forward`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary
from torch_geometric.nn import GATConv, GATv2Conv
from torch_geometric.utils import add_self_loops, remove_self_loops

from redditgnn.errors import require
from redditgnn.graph.csr import CSR
from redditgnn.graph.features import Rows, first_rows
from redditgnn.kernels.attention.operator import gat_attention, gatv2_attention
from redditgnn.kernels.dropout import dropout
from redditgnn.nn.feature_linear import feature_linear

Sources = Float[Tensor, "src in_channels"]
States = Tensor | Rows
_csrs: Any = WeakIdKeyDictionary()  # edge_index -> {version, sizes and self-loops: its CSR}


class _FusedConv:
    """The common part of both layers: edges as a CSR, and no stored attention coefficients."""

    edge_dim: int | None
    flow: str
    add_self_loops: bool
    negative_slope: float
    dropout: float
    training: bool

    def forward(
        self,
        x: Sources | Rows | tuple[Sources, Float[Tensor, "dst _"]] | tuple[Rows, Rows],
        edge_index: Integer[Tensor, "2 edges"] | CSR,
    ) -> Float[Tensor, "dst out_channels"]:
        """Return the new states of the destinations.

        Args:
            x: States of the nodes, or a pair of states of sources and of destinations. Sparse
                features may be `Rows`. In a `CSR` with fewer destinations than sources, the
                destinations are the first rows.
            edge_index: (source, destination) as in PyG, with self-loops replaced as in PyG if
                `add_self_loops`. Its CSR is cached while the tensor lives. Or a `CSR`, used as it
                is.
        """
        require(
            self.edge_dim is None and self.flow == "source_to_target",
            f"{type(self).__name__} takes no edge_dim and only flow=source_to_target, got "
            f"edge_dim={self.edge_dim}, flow={self.flow}; use torch_geometric's own layer",
        )
        if isinstance(edge_index, Tensor):
            edge_index = _csr_of(edge_index, *_sizes(x), self.add_self_loops)
        return self._forward(x, edge_index)

    def _forward(self, x: Any, csr: CSR) -> Tensor:
        return super().forward(x, csr)  # type: ignore[misc]

    @property
    def _settings(self) -> dict[str, float]:
        dropout = self.dropout if self.training else 0.0
        return {"negative_slope": self.negative_slope, "dropout": dropout}


class FusedGATConv(_FusedConv, GATConv):
    """Graph attention (Velickovic et al. 2018, arXiv:1710.10903). Arguments as in PyG's GATConv.

    `value_dropout`: dropout of the values that heads sum up. Scores are computed from the values
    before this dropout. It is in the authors' code, but not in their text.
    """

    def __init__(self, *args: Any, value_dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.value_dropout = value_dropout

    def _forward(self, x: Any, csr: CSR) -> Tensor:
        """Compute scores from `x`: att . (W x) = (att . W) x saves two passes over W x."""
        if isinstance(x, tuple) or self.lin is None:
            return super()._forward(x, csr)
        value = feature_linear(x, self.lin.weight).view(-1, self.heads, self.out_channels)
        with _in_full_precision(x.device.type):
            scores = feature_linear(_in_dtype(x, self.lin.weight.dtype), self._score_weight())
        value = dropout(value, self.value_dropout, self.training)
        out = self.propagate(csr, x=(value,), alpha=scores.split(self.heads, 1))
        out = out.flatten(1) if self.concat else out.mean(1)
        if self.res is not None:
            out = out + feature_linear(first_rows(x, csr.num_dst), self.res.weight)
        return out if self.bias is None else out + self.bias

    def _score_weight(self) -> Float[Tensor, "two_heads in_channels"]:
        """Return the weight that maps `x` to the scores of sources and of destinations."""
        weight = self.lin.weight.view(self.heads, self.out_channels, -1)
        atts = torch.cat([self.att_src, self.att_dst]).unsqueeze(-1)
        return (atts * weight).sum(2).flatten(0, 1)

    def edge_updater(self, edge_index: CSR, *, alpha: Any, **_: Any) -> Any:
        return alpha

    def propagate(
        self, edge_index: CSR, size: Any = None, *, x: Any, alpha: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "dst heads channels"]:
        """Attend. `alpha` holds the scores of the sources and those of the destinations."""
        score_dst = first_rows(alpha[1], edge_index.num_dst)
        return gat_attention(x[0], alpha[0], score_dst, edge_index, **self._settings)


class FusedGATv2Conv(_FusedConv, GATv2Conv):
    """Dynamic attention (Brody et al. 2022, arXiv:2105.14491). Arguments as in PyG's GATv2Conv."""

    def _forward(self, x: Any, csr: CSR) -> Tensor:
        """Map sparse features here, and leave other states to PyG."""
        sources, destinations = x if isinstance(x, tuple) else (x, x)
        if not isinstance(sources, Rows):
            return super()._forward(x, csr)
        both = zip((sources, destinations), (self.lin_l, self.lin_r), strict=True)
        states = (feature_linear(rows, lin.weight, lin.bias) for rows, lin in both)
        value, query = (m.view(-1, self.heads, self.out_channels) for m in states)
        out = self.propagate(csr, x=(value, query), alpha=None)
        out = out.flatten(1) if self.concat else out.mean(1)
        if self.res is not None:
            out = out + feature_linear(first_rows(destinations, csr.num_dst), self.res.weight)
        return out if self.bias is None else out + self.bias

    def edge_updater(self, edge_index: CSR, **_: Any) -> None:
        return None

    def propagate(
        self, edge_index: CSR, size: Any = None, *, x: tuple[Tensor, Tensor], alpha: None
    ) -> Float[Tensor, "dst heads channels"]:
        """Attend. `x` holds the sources' values and the destinations' queries."""
        query = first_rows(x[1], edge_index.num_dst)
        return gatv2_attention(x[0], query, self.att[0], edge_index, **self._settings)


def _in_full_precision(device_type: str) -> AbstractContextManager[object]:
    """Disable autocast where it exists, because rounded scores would change the softmax."""
    if torch.amp.is_autocast_available(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()


def _in_dtype(x: States, dtype: torch.dtype) -> States:
    return x.to(dtype) if isinstance(x, Tensor) else x


def _sizes(x: States | tuple[States, States]) -> tuple[int, int]:
    return (len(x[0]), len(x[1])) if isinstance(x, tuple) else (len(x), len(x))


def _csr_of(edge_index: Tensor, num_src: int, num_dst: int, loops: bool) -> CSR:
    """Sort the edges by destination, once for each version of the tensor and arguments."""
    if edge_index.is_inference():  # such a tensor does not count its versions
        return _sort_edges(edge_index, num_src, num_dst, loops)
    csrs = _csrs.setdefault(edge_index, {})
    key = edge_index._version, num_src, num_dst, loops
    if key not in csrs:
        csrs.clear()  # of older versions
        csrs[key] = _sort_edges(edge_index, num_src, num_dst, loops)
    return csrs[key]


def _sort_edges(edge_index: Tensor, num_src: int, num_dst: int, loops: bool) -> CSR:
    if loops:
        edge_index = remove_self_loops(edge_index)[0]
        edge_index = add_self_loops(edge_index, num_nodes=min(num_src, num_dst))[0]
    return CSR.from_edge_index(edge_index, num_src, num_dst)
