"""An auxiliary loss against layers that amplify the error of histories (Fey et al. 2021, 3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from redditgnn.graph.batch import Histories


class LipschitzHistories:
    """Histories of a batch that remember what they gave, to add noise to it.

    Of every layer l that reads histories, the outputs f_l(h) and f_l(h + e) are compared, where e
    is normal with standard deviation `noise`. The penalty is `weight` times the mean over these
    layers of the mean over the batch's rows of ||f_l(h + e) - f_l(h)||_2.

    Both outputs are computed in evaluation mode, without dropout and with the running statistics of
    batch normalisation: the same function, and the one that exact inference computes. Departs in
    that from rusty1s/pyg_autoscale, examples/train_gin.py, where training mode, the inputs of the
    layer's MLP (instead of the layer's), and all layers but the first and last are taken.
    """

    def __init__(self, histories: Histories, weight: int | float, noise: int | float) -> None:
        self._histories, self._weight, self._noise = histories, weight, noise
        self._inputs: dict[int, Tensor] = {}

    def begin(self) -> None:
        self._histories.begin()

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Do as the histories do, and remember what the next layer reads."""
        joined = self._histories.exchange(layer, h, node_ids)
        self._inputs[layer + 1] = joined
        return joined

    def penalty(self, model: Any, batch: Any) -> Float[Tensor, ""] | None:
        """Compute it, with gradients to the weights and to what the layers read."""
        inputs, self._inputs = self._inputs, {}
        if not inputs:
            return None
        with _evaluating(model):
            h0 = model.encode(batch.features) if model.reads_h0 else None
            differences = [
                self._difference(model, batch, index, h, h if h0 is None else h0)
                for index, h in inputs.items()
            ]
        return self._weight * torch.stack(differences).mean()

    def on(self, other: Histories) -> Histories:
        return LipschitzHistories(self._histories.on(other), self._weight, self._noise)

    def _difference(self, model: Any, batch: Any, index: int, h: Tensor, h0: Tensor) -> Tensor:
        block = batch.block(index)
        noisy = h + self._noise * torch.randn_like(h)
        moved = model.layer(index, noisy, block, h0) - model.layer(index, h, block, h0)
        return moved.float().norm(dim=1).mean()


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
