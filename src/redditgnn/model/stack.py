"""A stack of convolutions, each with dropout, norm and activation: the base of most models."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, TypedDict

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import JumpingKnowledge
from typing_extensions import Unpack

from redditgnn.errors import require, require_positive, require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, first_rows, to_dense
from redditgnn.model.base import Backbone
from redditgnn.nn.feature_linear import FeatureLinear, feature_dropout

Norm = Literal["batch", "layer"]
Residual = bool | Literal["linear"]
Jump = Literal["last", "cat", "max", "lstm"]


class BatchNorm(nn.BatchNorm1d):
    """`BatchNorm1d`, which normalises a single row, without a variance, as in evaluation."""

    def forward(self, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        if self.training and len(x) == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


NORMS = {"batch": BatchNorm, "layer": nn.LayerNorm}


class StackSettings(TypedDict):
    """The keys of every stack. Subclasses add their own and pass these on."""

    hidden_channels: int
    num_layers: int
    dropout: int | float
    input_dropout: int | float
    norm: Norm | None
    residual: Residual
    jk: Jump | None


class ConvStack(Backbone):
    """Dropout, convolution, normalisation and activation, `num_layers` times.

    Each layer applies dropout to its input: `input_dropout` to the features, `dropout` to hidden
    states. It ends in norm and activation, except the last layer, which gives the logits. With `jk`
    the last layer is like the others, and a linear layer reads all of them (Xu et al. 2018,
    arXiv:1806.03536), or with `last` this one. With `residual` a layer's input is added to the
    output of its convolution, through a linear map where their widths differ. With `linear` every
    layer has such a map, with a bias, as in Luo et al. 2024 (arXiv:2406.08993).
    """

    activation: Callable[[Tensor], Tensor] = staticmethod(F.relu)
    """Applied between layers."""

    reads_rows = False
    """Layer 0 takes lazy features. Other layers always take a tensor."""

    def __init__(self, spec: GraphSpec, **settings: Unpack[StackSettings]) -> None:
        super().__init__()
        hidden_channels, num_layers = settings["hidden_channels"], settings["num_layers"]
        norm, residual, jk = settings["norm"], settings["residual"], settings["jk"]
        require_positive("model.hidden_channels", hidden_channels)
        require_positive("model.num_layers", num_layers)
        require_probability("model.dropout", settings["dropout"])
        require_probability("model.input_dropout", settings["input_dropout"])
        self.num_layers = num_layers
        self.dropout, self.input_dropout = settings["dropout"], settings["input_dropout"]
        last = hidden_channels if jk else spec.num_classes
        widths = [spec.num_features, *[hidden_channels] * (num_layers - 1), last]
        self.convs = nn.ModuleList(
            self.make_conv(i, o, not jk and number == num_layers)
            for number, (i, o) in enumerate(pairwise(widths), start=1)
        )
        norm_widths = widths[1:] if jk else widths[1:-1]
        self.norms = nn.ModuleList(make_norm(norm, width) for width in norm_widths)
        self.skips = make_skips(residual, widths)
        joins = jk not in (None, "last")
        self.jump = JumpingKnowledge(jk, hidden_channels, num_layers) if joins else None
        head_width = hidden_channels * (num_layers if jk == "cat" else 1)
        self.head = nn.Linear(head_width, spec.num_classes) if jk else nn.Identity()

    @abstractmethod
    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        """Build the convolution of one layer."""

    @abstractmethod
    def convolve(self, conv: nn.Module, h: Any, block: Block) -> Float[Tensor, "dst out"]:
        """Apply one layer's convolution to the part of the graph that `block` holds.

        `h` [src, width] are the sources' states: a tensor, or `Rows` if `reads_rows`.
        """

    @property
    def reads_every_layer(self) -> bool:
        """Whether `decode` needs the outputs of all layers, or only of the last."""
        return self.jump is not None

    @property
    def decodes(self) -> bool:
        """Whether a linear layer gives the logits, from the outputs of all layers or the last."""
        return isinstance(self.head, nn.Linear)

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the layer that gives the logits, for `nonreg_weight_decay`."""
        last = self.head if self.decodes else self.convs[-1]
        return list(last.parameters())

    def layer(
        self,
        index: int,
        h: Float[Tensor, "src width"] | Rows,
        block: Block,
        h0: Float[Tensor, "rows _"] | Rows,
    ) -> Float[Tensor, "dst out"]:
        """Compute the rows of `block` from its sources' states `h`. `h0` is not read."""
        rate = self.dropout if index else self.input_dropout
        h = feature_dropout(h if self.reads_rows else to_dense(h), rate, self.training)
        out = self.convolve(self.convs[index], h, block)
        if self.skips is not None:
            out = out + self.skips[index](first_rows(h, block.num_dst))
        if index == self.num_layers - 1 and not self.decodes:
            return out
        return self.activation(self.norms[index](out))

    def decode(self, states: Sequence[Float[Tensor, "nodes _"]]) -> Float[Tensor, "nodes classes"]:
        """Map the outputs of all layers to logits, or only of the last."""
        return self.head(states[-1] if self.jump is None else self.jump(list(states)))


class _ToDense(nn.Module):
    """The identity, which makes lazy rows dense."""

    def forward(self, h: Tensor | Rows) -> Tensor:
        return to_dense(h)


def make_norm(kind: Norm | None, width: int) -> nn.Module:
    """Build the normalisation of states of `width` channels. None is the identity."""
    return nn.Identity() if kind is None else NORMS[kind](width)


def make_skips(residual: Residual, widths: Sequence[int]) -> nn.ModuleList | None:
    """Build the maps of the layers' inputs that are added to their outputs, None for none."""
    if not residual:
        return None
    linear = residual == "linear"
    return nn.ModuleList(
        _ToDense() if i == o and not linear else FeatureLinear(i, o, bias=linear)
        for i, o in pairwise(widths)
    )


def check_heads(hidden_channels: int, heads: int, out_heads: int) -> None:
    """Refuse attention heads that cannot share `hidden_channels` equally."""
    require_positive("model.heads", heads)
    require_positive("model.out_heads", out_heads)
    require(
        hidden_channels % heads == 0,
        f"model.hidden_channels must be a multiple of model.heads={heads}, got {hidden_channels}; "
        f"try {max(1, round(hidden_channels / heads)) * heads}",
    )
