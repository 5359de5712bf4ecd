"""LSTM aggregation that does not read padding."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from torch_geometric.nn.aggr import LSTMAggregation


class PackedLSTMAggregation(LSTMAggregation):
    """PyG's `LSTMAggregation`, ending at each node's own last neighbour.

    PyG pads all neighbourhoods of a batch to the longest and reads the state after the padding. So
    a node's result depends on the degrees of other nodes. Here sequences are packed: a node's
    result is its own, and no padding is computed. Parameters and `state_dict` are PyG's.
    """

    def forward(
        self,
        x: Float[Tensor, "edges width"],
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
        max_num_elements: int | None = None,
    ) -> Float[Tensor, "nodes out"]:
        """Reduce `x`, sorted by `index`, to one row per node. A node without rows gets zeros."""
        assert index is not None
        assert dim_size is not None
        counts = torch.bincount(index, minlength=dim_size)
        order = counts.argsort(descending=True, stable=True)
        nonempty = order[: int((counts > 0).sum())]
        out = x.new_zeros(dim_size, self.out_channels)
        if len(nonempty) == 0:
            return out
        _, (last, _) = self.lstm(_pack(x, counts, nonempty))
        return out.index_copy(0, nonempty, last[-1])


def _pack(x: Tensor, counts: Tensor, nonempty: Tensor) -> PackedSequence:
    """Order `x` by step: the first row of every node, then the second, and so on."""
    starts = counts.cumsum(0) - counts
    lengths = counts[nonempty]
    steps = int(lengths[0])
    # lengths descend, so the nodes that still have a row at step t are the first batch_sizes[t].
    num_finished = torch.bincount(lengths, minlength=steps + 1).cumsum(0)[:steps]
    batch_sizes = len(nonempty) - num_finished
    step = torch.arange(steps, device=x.device).repeat_interleave(batch_sizes)
    node = torch.arange(len(step), device=x.device)
    node = node - (batch_sizes.cumsum(0) - batch_sizes).repeat_interleave(batch_sizes)
    return PackedSequence(x[starts[nonempty][node] + step], batch_sizes.cpu())
