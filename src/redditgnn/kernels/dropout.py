"""Dropout (Srivastava et al. 2014) that is not slower than the layer behind it.

On a CPU `torch.nn.functional.dropout` draws one random number an element, which takes most of an
epoch where the features are wide. Here one hash serves four elements, and the backward pass hashes
again instead of keeping a mask. Other devices use torch's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

RESOLUTION = 2**16


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Zero each element with probability `p` and scale the rest by 1 / (1 - p), in training only.

    `p` is rounded to a multiple of 2^-16 on a CPU. The random numbers come from torch's global
    generator.
    """
    if not training or p == 0.0:
        return x
    threshold = min(round(p * RESOLUTION), RESOLUTION - 1)
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return F.dropout(x, p)
    key = int(torch.randint(2**62, ()))
    return _HashedDropout.apply(x, key, threshold)  # type: ignore[no-untyped-call]


class _HashedDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, key: int, threshold: int) -> Tensor:
        ctx.key, ctx.threshold = key, threshold
        return _masked(x, key, threshold)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _masked(grad, ctx.key, ctx.threshold), None, None


def _masked(x: Tensor, key: int, threshold: int) -> Tensor:
    from redditgnn.kernels.dropout_numba import scaled_or_zero

    x = x.detach().contiguous()
    out = torch.empty_like(x)
    scaled_or_zero(
        x.numpy().reshape(-1), np.uint64(key), np.uint64(threshold), out.numpy().reshape(-1)
    )
    return out
