"""The model contract: `encode`, `layer` and `decode`.

The forward pass over a batch is `Backbone.forward`. The pass chunk by chunk over the whole graph is
`redditgnn.evaluation.exact`. Both call the same three methods of a model.
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
from redditgnn.model.recompute import recomputed


class Backbone(nn.Module, ABC):
    """Maps features to states, states to states along the edges, and states to logits.

    `encode` and `decode` treat each node by itself. Only `layer` sees edges.
    """

    num_layers: int
    """The number of layers that read edges in sequence. Samplers draw a hop for each."""

    whole_graph_only = False
    """A node's output needs more than its row of a block. Batches must have no halo."""

    reads_edges = True
    """Layers read edges. If none does, samplers need not draw any."""

    takes_edge_weight = False
    """Layers compute right numbers on a graph with edge weights. Others are refused there."""

    attends = False
    """Every layer computes a weight for each edge, in every step."""

    propagation: Propagation | None = None
    """The map from the graph's features to those that `encode` reads, applied before training."""

    reads_h0 = False
    """Layers after the first read what `encode` gave the nodes that they compute.

    Otherwise their `h0` may be anything.
    """

    recompute = False
    """`forward` keeps the inputs of layers, and their backward passes compute the rest again."""

    @property
    def reads_every_layer(self) -> bool:
        """Whether `decode` needs the outputs of all layers, or only of the last."""
        return False

    @property
    def decodes(self) -> bool:
        """Whether `decode` maps hidden states to logits. Otherwise the last layer gives them."""
        return False

    def encode(self, x: Rows) -> Tensor | Rows:
        """Map features to the states that layer 0 reads. By default these are the features."""
        return x

    @abstractmethod
    def layer(
        self,
        index: int,
        h: Float[Tensor, "src width"] | Rows,
        block: Block,
        h0: Float[Tensor, "rows _"] | Rows,
    ) -> Float[Tensor, "dst out"]:
        """Compute the rows of `block` from its sources' states `h`, and `h0`, the encoded ones.

        `h0` has those of the block's destinations at least, and these come first.
        """

    def decode(self, states: Sequence[Float[Tensor, "nodes _"]]) -> Float[Tensor, "nodes classes"]:
        """Map the outputs of all layers to logits, or only the last unless `reads_every_layer`.

        By default the last layer gives the logits.
        """
        return states[-1]

    @abstractmethod
    def bytes_per_edge(self) -> int:
        """Estimate the bytes that an edge costs while its layer is computed."""

    def bytes_per_node(self) -> int:
        """Estimate the bytes that a node costs while a layer is computed.

        That is the input and the output of the widest linear map, in float32.
        """
        widths = (sum(weight.shape) for weight in self.parameters() if weight.dim() == 2)
        return 4 * max(widths, default=0)

    @abstractmethod
    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that `optimizer.nonreg_weight_decay` applies to."""

    def forward(self, batch: Batch) -> Float[Tensor, "targets classes"]:
        """Return the logits of the batch's targets."""
        h0 = self.encode(batch.features)
        return self.decode(self.apply_layers(range(self.num_layers), batch, h0, h0))

    def apply_layers(
        self, layers: range, batch: Batch, h: Tensor | Rows, h0: Tensor | Rows
    ) -> list[Float[Tensor, "targets _"]]:
        """Apply successive layers to `h`, the input of the first, and `h0`, the encoded states.

        Returns what `decode` reads: the targets' states after each layer, or only after the last.
        """
        states: list[Tensor] = []
        for index in layers:
            block = batch.block(index)
            h = self._compute(index, h, block, h0[: block.num_src])
            if self.reads_every_layer or index == layers[-1]:
                states.append(h[: batch.num_targets])
            if index < layers[-1]:
                h = batch.exchange(index, h)
        return states

    def _compute(self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows) -> Tensor:
        """Call `layer`, so that training keeps only its inputs if it should compute it again.

        The last layer is kept: its backward pass is the first, when everything else is still there.
        """
        if self.recompute and index < self.num_layers - 1:
            return recomputed(self, self.layer, index, h, block, h0)
        return self.layer(index, h, block, h0)


class PerNodeModel(Backbone):
    """A model of one layer, which reads no edges and gives the logits.

    What is to be known of neighbours is in the features: `propagation` brought it there.
    """

    num_layers = 1
    reads_edges = False
    takes_edge_weight = True

    def bytes_per_edge(self) -> int:
        return 4

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return no parameters: the only layer is regularised."""
        return []


@runtime_checkable
class LayeredModel(Protocol):
    """The methods that exact inference calls. Every model has them."""

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
