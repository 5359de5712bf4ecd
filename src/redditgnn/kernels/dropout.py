"""Dropout (Srivastava et al. 2014) that is no slower than the layer after it.

On a CPU `torch.nn.functional.dropout` draws one random number per element, which takes most of an
epoch if the features are wide. Here one hash serves four elements, and the backward pass hashes
again instead of storing a mask. Other devices use torch's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from redditgnn.kernels.shortcut import differentiable
from redditgnn.runtime.numba_threads import numba_works, run_on_ranges

RESOLUTION = 2**16
GROUPS_A_TASK = 2**18  # takes half a millisecond, 50 times as long as handing over a task


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Zero each element with probability `p` and scale the rest by 1 / (1 - p) in training.

    `p` is rounded to a multiple of 2^-16 on a CPU. The random numbers come from torch's global
    generator.
    """
    if not training or p == 0.0:
        return x
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64) or not numba_works():
        return F.dropout(x, p)
    threshold = min(round(p * RESOLUTION), RESOLUTION - 1)
    return hashed_dropout(x, torch.randint(2**62, ()), threshold)


def scale_or_zero(x: Tensor, key: Tensor, threshold: int) -> Tensor:
    """Zero the elements whose 16-bit hash with `key` is below `threshold`, and scale the rest."""
    from redditgnn.kernels.dropout_numba import GROUP, drop_groups

    x = x.detach().contiguous()
    out = torch.empty_like(x)
    flat, into = x.numpy().reshape(-1), out.numpy().reshape(-1)
    num_groups = -(-x.numel() // GROUP)
    num_tasks = max(1, num_groups // GROUPS_A_TASK)
    bounds = [num_groups * task // num_tasks for task in range(num_tasks + 1)]
    run_on_ranges(drop_groups, bounds, flat, np.uint64(int(key)), np.uint64(threshold), into)
    return out


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, key, ctx.threshold = inputs
    ctx.save_for_backward(key)


def _differentiate(
    drop: Callable[..., Tensor], ctx: Any, grad: Tensor
) -> tuple[Tensor, None, None]:
    return drop(grad, *ctx.saved_tensors, ctx.threshold), None, None


operator = torch.library.custom_op(
    "redditgnn::hashed_dropout",
    scale_or_zero,
    mutates_args=(),
    schema="(Tensor x, Tensor key, int threshold) -> Tensor",
)
hashed_dropout = differentiable(operator, scale_or_zero, _setup_context, _differentiate)


@operator.register_fake
def _(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x).contiguous()
