"""What every model is: `encode`, layers and `decode`, driven from one place.

The forward pass is written once, in `forward` below, and once more chunk by chunk in
`redditgnn.evaluation.exact`; both drive the same three methods of a model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from redditgnn.graph.batch import Batch, Block
from redditgnn.graph.features import Rows
from redditgnn.model.propagation import Propagation


class Backbone(nn.Module, ABC):
    """Maps features to states, states to states along the edges, and states to logits.

    `encode` and `decode` treat each node by itself; only `layer` sees edges.
    """

    num_layers: int
    """How many layers read edges one after another: samplers draw a hop for each."""

    whole_graph_only = False
    """A row of a block does not suffice to compute its node: only batches without halo will do."""

    reads_edges = True
    """Layers read edges. Where none does, a sampler need not draw any for the model's sake."""

    attends = False
    """Edges are weighed by what is computed for each of them, in every layer and step."""

    propagation: Propagation | None = None
    """What turns the graph's features into those that `encode` reads, once before training."""

    reads_h0 = False
    """Layers after the first read what `encode` gave; elsewhere their `h0` may be anything."""

    @property
    def reads_every_layer(self) -> bool:
        """Whether `decode` needs the outputs of all layers, or only of the last."""
        return False

    @abstractmethod
    def encode(self, x: Rows) -> Tensor | Rows:
        """Map features to the states that layer 0 reads."""

    @abstractmethod
    def layer(
        self,
        index: int,
        h: Float[Tensor, "src width"] | Rows,
        block: Block,
        h0: Float[Tensor, "src _"] | Rows,
    ) -> Float[Tensor, "dst out"]:
        """Compute the rows of `block` from its sources' states `h`; `h0` is what `encode` gave."""

    @abstractmethod
    def decode(self, states: Sequence[Float[Tensor, "nodes _"]]) -> Float[Tensor, "nodes classes"]:
        """Turn the outputs of all layers into logits, or of the last unless `reads_every_layer`."""

    @abstractmethod
    def bytes_per_edge(self) -> int:
        """Return about how many bytes an edge costs while its layer is computed."""

    def bytes_per_node(self) -> int:
        """Return about how many bytes a node costs while a layer is computed.

        That is what the widest linear map reads and gives, in float32.
        """
        widths = (sum(weight.shape) for weight in self.parameters() if weight.dim() == 2)
        return 4 * max(widths, default=0)

    @abstractmethod
    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return what `optimizer.nonreg_weight_decay` is for."""

    def forward(self, batch: Batch) -> Float[Tensor, "targets classes"]:
        """Return the logits of the batch's targets."""
        h = h0 = self.encode(batch.features)
        states: list[Tensor] = []
        for index in range(self.num_layers):
            block = batch.block(index)
            h = self.layer(index, h, block, h0[: block.num_src])
            if self.reads_every_layer or index == self.num_layers - 1:
                states.append(h[: batch.num_targets])
            if index < self.num_layers - 1:
                h = batch.exchange(index, h)
        return self.decode(states)


@runtime_checkable
class LayeredModel(Protocol):
    """What exact inference drives: the three methods that every model has."""

    num_layers: int
    reads_h0: bool
    whole_graph_only: bool

    @property
    def reads_every_layer(self) -> bool: ...

    def encode(self, x: Rows) -> Tensor | Rows: ...

    def layer(self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows) -> Tensor: ...

    def decode(self, states: list[Tensor]) -> Tensor: ...

    def bytes_per_edge(self) -> int: ...

    def bytes_per_node(self) -> int: ...
