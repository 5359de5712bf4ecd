"""Propagation of features before training: a model without weights for exact inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from redditgnn.graph.batch import Block
from redditgnn.graph.features import Rows
from redditgnn.kernels.aggregate import BYTES_PER_EDGE

Step = Callable[[Tensor | Rows, Block], Tensor]


class Propagation:
    """Applies `steps` one after another to the features.

    `keeps_all`: the result is the outputs of all steps side by side, instead of the last one's.
    """

    reads_h0 = False
    whole_graph_only = False

    reads_labels = False
    """The steps start from labels of training nodes, as rows of 0 and 1, not from features."""

    def __init__(self, steps: Sequence[Step], *, keeps_all: bool) -> None:
        self._steps, self.reads_every_layer = steps, keeps_all
        self.num_layers = len(steps)

    def encode(self, x: Rows) -> Rows:
        return x

    def layer(
        self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows
    ) -> Float[Tensor, "dst features"]:
        return self._steps[index](h, block)

    def decode(self, states: Sequence[Tensor]) -> Float[Tensor, "nodes width"]:
        return torch.cat(list(states), 1) if self.reads_every_layer else states[-1]

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE + 4  # a weight

    def bytes_per_node(self) -> int:
        return 0  # the outputs live as long as the features
