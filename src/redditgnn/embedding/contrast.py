"""Each row contrasted with all others: the loss of GRACE, from half of the matrix of all pairs.

Similarities are symmetric, and so are their exponentials if all are shifted alike. So the loss and
its gradient need the upper triangle alone, which is computed once, in strips that fit the cache.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

STRIP = 256  # rows
LEAST_TEMPERATURE = 0.025  # below it exp(-2 / temperature) is zero in float32


def contrast(
    u: Float[Tensor, "nodes dim"], v: Float[Tensor, "nodes dim"], temperature: float
) -> Float[Tensor, ""]:
    """Return the mean of -log exp(z_i . z_j / t) / sum_(k != i) exp(z_i . z_k / t).

    Here z has the rows of `u` and of `v`, each of length 1, and j is the same node as i in the
    other view.
    """
    return _Contrast.apply(torch.cat([u, v]), temperature)  # type: ignore[no-untyped-call]


class _Contrast(torch.autograd.Function):
    """The loss of n rows, and its gradient.

    E_ik = exp((z_i . z_k - 1) / t), E_ii = 0, r_i = sum_k E_ik
    n t gradient_i = sum_k (1 / r_i + 1 / r_k) E_ik z_k - 2 z_j
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float) -> Tensor:
        strips, total = [], z.new_zeros(len(z))
        for start in range(0, len(z), STRIP):
            stop = min(start + STRIP, len(z))
            strip = (z[start:stop] / temperature) @ z[start:].T  # from the diagonal on
            strip.sub_(1 / temperature).exp_().fill_diagonal_(0)
            total[start:stop] += strip.sum(1)
            total[stop:] += strip[:, stop - start :].sum(0)
            strips.append(strip)
        ctx.save_for_backward(z, total)
        ctx.strips, ctx.temperature = strips, temperature
        agreement = (z * _other_view(z)).sum(1)
        return (total.log() + (1 - agreement) / temperature).mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        z, total = ctx.saved_tensors
        share, out = 1 / total, -2 * _other_view(z)
        for number, strip in enumerate(ctx.strips):
            start = number * STRIP
            stop = start + len(strip)
            strip *= share[start:stop, None] + share[start:]
            out[start:stop] += strip @ z[start:]
            out[stop:] += strip[:, stop - start :].T @ z[start:stop]
        return out * (grad / (len(z) * ctx.temperature)), None


def _other_view(z: Tensor) -> Tensor:
    """Return the rows of the same nodes in the other view."""
    return z.roll(len(z) // 2, 0)
