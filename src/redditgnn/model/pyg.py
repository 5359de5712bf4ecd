"""Any PyG convolution that is built from (in_channels, out_channels) and reads edge_index."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from redditgnn.errors import ConfigError, require
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import first_rows
from redditgnn.model.stack import ConvStack, StackSettings


class PygStack(ConvStack):
    """A stack of one class of convolution, on COO edges.

    A trial run shows whether a layer needs only a node's own in-edges. A layer that normalises by
    its sources' degrees, or propagates over several hops, needs more. It is refused where batches
    have a halo (`whole_graph_only`). Further trials tell a weighted sum, which a sampler's
    scales apply to, from a mean or attention, which need none. A sum that takes no weights is
    refused where a sampler draws only some of the neighbours. Weights of the graph itself reach
    every convolution that takes an `edge_weight`, and others are refused.
    """

    def __init__(
        self,
        spec: GraphSpec,
        *,
        conv: Callable[..., nn.Module],
        **stack: Unpack[StackSettings],
    ) -> None:
        self._widest = max(stack["hidden_channels"], spec.num_features)
        self._conv = conv
        super().__init__(spec, **stack)
        self.whole_graph_only = not all(map(_is_local, self.convs))
        self.takes_edge_weight = all(map(_takes_weight, self.convs))
        self._is_weighted_sum = all(map(_is_weighted_sum, self.convs))
        self._sums = any(map(_grows_with_edges, self.convs))

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        return build(self._conv, in_channels, out_channels)

    def convolve(self, conv: nn.Module, h: Tensor, block: Block) -> Tensor:
        weight = self._weight(type(conv).__name__, block)
        weights = {} if weight is None else {"edge_weight": weight}
        return first_rows(conv(h, block.edge_index, **weights), block.num_dst)

    def _weight(self, name: str, block: Block) -> Tensor | None:
        """Return the weights to call a convolution with. A sum also needs a sampler's scales."""
        if block.edge_scale is None or not (self._is_weighted_sum or self._sums):
            return block.edge_weight
        require(
            self._is_weighted_sum,
            f"model.conv={name} sums over neighbours without an edge_weight: "
            "where a sampler draws some of them its sums would be too small; use sampler=full, "
            "cluster or gas, or +model.conv.aggr=mean",
        )
        weight = block.edge_weight
        return block.edge_scale if weight is None else block.edge_scale * weight

    def bytes_per_edge(self) -> int:
        return 40 + 4 * self._widest * 4


def build(conv: Callable[..., nn.Module], in_channels: int, out_channels: int) -> nn.Module:
    """Build one convolution and run it on a sample graph.

    Raises:
        ConfigError: it takes other arguments, caches its edges, or gives another width.
        Warning: the library warns, where warnings are errors (`python -W error`).
    """
    name = getattr(getattr(conv, "func", conv), "__name__", str(conv))
    try:
        layer = conv(in_channels, out_channels)
        width = _run_on_sample(layer, torch.tensor([[0], [1]])).size(1)
    except Warning:
        raise
    except Exception as error:  # a library may raise anything for unusable arguments
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"model.conv._target_={name} cannot be built from (in_channels, out_channels) and "
            f"called with (x, edge_index): {reason}; give what it lacks as +model.conv.KEY=VALUE"
        ) from error
    require(
        width == out_channels,
        f"model.conv must give {out_channels} channels, {name} gives {width}; "
        f"with several heads add +model.conv.concat=false",
    )
    require(
        not getattr(layer, "cached", False),
        f"model.conv.cached must be false: {name} would reuse the first batch's edges for all",
    )
    return layer


RING = torch.tensor([[1, 2, 3, 4, 0, 3, 4], [0, 1, 2, 3, 4, 1, 2]])


def _is_local(conv: nn.Module) -> bool:
    """Whether node 0's output needs only its own in-edges."""
    whole, part = (_run_on_sample(conv, edges)[0] for edges in (RING, RING[:, :1]))
    return bool(torch.allclose(whole, part, atol=1e-6))


def _takes_weight(conv: nn.Module) -> bool:
    return "edge_weight" in inspect.signature(conv.forward).parameters


def _is_weighted_sum(conv: nn.Module) -> bool:
    """Whether it takes edge weights, and doubled edges of half the weight change nothing."""
    if not _takes_weight(conv):
        return False
    single = _run_on_sample(conv, RING)
    halves = _run_on_sample(conv, torch.cat([RING, RING], 1), edge_weight=torch.full((14,), 0.5))
    return bool(torch.allclose(single, halves, atol=1e-6))


def _grows_with_edges(conv: nn.Module) -> bool:
    """Whether doubled edges change the output: a sum, neither a mean nor attention."""
    single, doubled = _run_on_sample(conv, RING), _run_on_sample(conv, torch.cat([RING, RING], 1))
    return not torch.allclose(single, doubled, atol=1e-6)


@torch.no_grad()
def _run_on_sample(conv: nn.Module, edge_index: Tensor, **weight: Tensor) -> Tensor:
    width: Any = conv.in_channels
    num_features = width if isinstance(width, int) else width[0]  # bipartite layers have a pair
    x = torch.randn(5, num_features, generator=torch.Generator().manual_seed(0))
    training = conv.training
    out = conv.eval()(x, edge_index, **weight)
    conv.train(training)
    return out
