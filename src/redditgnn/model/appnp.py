"""APPNP: predict, then propagate (Gasteiger et al. 2019, arXiv:1810.05997).

A perceptron maps each node's own features to logits. The layers, which have no parameters, are
steps of a random walk along the edges that returns to those logits with probability `alpha`.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import Unpack

from redditgnn.errors import require
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, to_dense
from redditgnn.kernels.neighbors import sum_with_restart
from redditgnn.model.decoupled import Decoupled, DecoupledSettings


class APPNP(Decoupled):
    """Two linear layers and `num_layers` steps (the paper's K), with the results of PyG's `APPNP`.

    It departs from the paper in one way: edges are not dropped.
    """

    reads_h0 = True

    def __init__(
        self, spec: GraphSpec, *, alpha: int | float, **settings: Unpack[DecoupledSettings]
    ) -> None:
        super().__init__(spec, **settings)
        require(0 <= alpha <= 1, f"model.alpha must be in [0, 1], got {alpha}")
        self.alpha = alpha

    def layer(
        self,
        index: int,
        h: Float[Tensor, "src classes"] | Rows,
        block: Block,
        h0: Float[Tensor, "rows classes"] | Rows,
    ) -> Float[Tensor, "dst classes"]:
        """Take one step of the walk, with the share `alpha` of its start `h0`."""
        return sum_with_restart(to_dense(h), h0, block, self.alpha)

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return the second linear layer: the paper regularises only the first."""
        return list(self.lins[1].parameters())
