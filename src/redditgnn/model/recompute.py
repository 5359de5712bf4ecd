"""Recomputation: the backward pass computes what is inside of a layer again (Chen et al. 2016).

Only the inputs of the layer are kept in between (arXiv:1604.06174). Dropout draws the same numbers
again, so that gradients are the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(model: nn.Module, layer: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """Return `layer(*inputs)`, a part of `model`, with only `inputs` kept for the backward pass."""
    contexts = partial(_contexts, model)
    out: Tensor = checkpoint(layer, *inputs, use_reentrant=False, context_fn=contexts)
    return out


def _contexts(
    model: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return what encloses the forward pass, and what encloses its repetition."""
    return nullcontext(), _unchanged_running_statistics(model)


@contextmanager
def _unchanged_running_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch norms update copies of their running statistics, as a batch counts only once."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    buffers = [(norm, name, tensor) for norm in norms for name, tensor in norm.named_buffers()]
    for norm, name, tensor in buffers:
        setattr(norm, name, tensor.clone())
    try:
        yield
    finally:
        for norm, name, tensor in buffers:
            setattr(norm, name, tensor)
