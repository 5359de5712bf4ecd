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
    """A batch's histories that record the layers' inputs, to compare outputs under noise.

    For every layer l that reads histories, the outputs f_l(h) and f_l(h + e) are compared, where e
    is normal with standard deviation `noise`. The penalty is `weight` times the mean over these
    layers of the mean over the batch's rows of ||f_l(h + e) - f_l(h)||_2.

    Both outputs are computed in evaluation mode, without dropout and with the running statistics of
    batch normalisation. So both use the function that exact inference computes. This departs from
    rusty1s/pyg_autoscale, examples/train_gin.py. There it is training mode, the inputs of the
    layer's MLP instead of the layer's, and all layers except the first and last.
    """

    def __init__(self, histories: Histories, weight: int | float, noise: int | float) -> None:
        self._histories, self._weight, self._noise = histories, weight, noise
        self._inputs: dict[int, Tensor] = {}

    def begin(self) -> None:
        self._histories.begin()

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Exchange through the histories, and record the input of the next layer."""
        states = self._histories.exchange(layer, h, node_ids)
        self._inputs[layer + 1] = states
        return states

    def penalty(self, model: Any, batch: Any) -> Float[Tensor, ""] | None:
        """Return the penalty, with gradients for the weights and for the layers' inputs."""
        inputs, self._inputs = self._inputs, {}
        if not inputs:
            return None
        with _evaluation_mode(model):
            h0 = model.encode(batch.features) if model.reads_h0 else None
            differences = [
                self._difference(model, batch, index, h, h if h0 is None else h0)
                for index, h in inputs.items()
            ]
        return self._weight * torch.stack(differences).mean()

    def with_states_of(self, other: Histories) -> Histories:
        return LipschitzHistories(self._histories.with_states_of(other), self._weight, self._noise)

    def _difference(self, model: Any, batch: Any, index: int, h: Tensor, h0: Tensor) -> Tensor:
        block = batch.block(index)
        noisy = h + self._noise * torch.randn_like(h)
        difference = model.layer(index, noisy, block, h0) - model.layer(index, h, block, h0)
        return difference.float().norm(dim=1).mean()


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
