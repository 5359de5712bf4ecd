"""Which layer's states, and which layer's attention, an answer is about. Layers count from 1."""

from __future__ import annotations

from torch import Tensor

from redditgnn.errors import ConfigError, require
from redditgnn.model.base import Backbone
from redditgnn.runtime.precision import at_least_float32


class HiddenStates:
    """Collects the states after one layer, or none, while exact inference runs."""

    def __init__(self, layer: int | None) -> None:
        self._layer = layer
        self.value: Tensor | None = None

    def __call__(self, index: int, states: Tensor) -> None:
        """Hear the states of the layer that is the `index`-th, counted from 0."""
        if index + 1 == self._layer:
            self.value = at_least_float32(states).cpu()


def hidden_layer(model: Backbone, layer: int | None) -> int:
    """Return `layer`, or the last layer that does not give the logits.

    Raises:
        ConfigError: the model has no such layer.
    """
    if layer is None:
        layer = model.num_layers - (not model.decodes)
        require(
            layer > 0,
            f"{type(model).__name__} has no hidden layer: its only one gives the logits; "
            "'--embeddings 1' writes these",
        )
    _require_layer(model, layer)
    return layer


def most_heads(model: Backbone, layer: int | None = None) -> int:
    """Return the most attention heads that a layer of `model` has.

    Raises:
        ConfigError: it computes no attention, or has no such layer.
    """
    if not model.attends:
        raise ConfigError(
            f"{type(model).__name__} computes no attention; choose a run of model=gat or "
            "model=gatv2"
        )
    if layer is not None:
        _require_layer(model, layer)
    return max(int(getattr(module, "heads", 1)) for module in model.modules())


def _require_layer(model: Backbone, layer: int) -> None:
    require(
        1 <= layer <= model.num_layers,
        f"the layer must be {'1' if model.num_layers == 1 else f'1 to {model.num_layers}'} for "
        f"this model, got {layer}",
    )
