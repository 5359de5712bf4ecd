"""Label propagation (Zhu and Ghahramani 2002): labels of the training nodes spread along the edges.

It has no weights, so nothing is trained. It reads no features.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows
from redditgnn.kernels.neighbors import neighbor_mean, own_rows
from redditgnn.model.base import PerNodeModel
from redditgnn.model.propagation import Propagation

LEAST_SHARE = 1e-6  # of a class: the logarithm of it is finite


class LabelSpreading(Propagation):
    """Averages the neighbours' shares of each class. Training nodes keep their own labels."""

    reads_h0 = True
    reads_labels = True

    def __init__(self, num_steps: int) -> None:
        super().__init__([neighbor_mean] * num_steps, keeps_all=False)

    def layer(
        self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows
    ) -> Float[Tensor, "dst classes"]:
        """Take one step from the shares `h`. `h0` are the labels, zeros where not known."""
        labels = own_rows(h0, block)
        is_known = labels.sum(1, keepdim=True) > 0
        return torch.where(is_known, labels, super().layer(index, h, block, h0))


class LabelPropagation(PerNodeModel):
    """Each node's share of each class after `num_steps` steps; the logits are their logarithms.

    A node that no label reaches has the same share of every class.
    """

    def __init__(self, spec: GraphSpec, *, num_steps: int) -> None:
        super().__init__()
        require_positive("model.num_steps", num_steps)
        require(
            not spec.multi_label,
            "model=label_propagation needs one label a node, and nodes of this dataset may have "
            "several; use model=linear",
        )
        self.propagation = LabelSpreading(num_steps)

    def layer(
        self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows
    ) -> Float[Tensor, "dst classes"]:
        """Return the logarithms of the destinations' shares."""
        return own_rows(h, block).clamp(min=LEAST_SHARE).log()
