"""Batch normalisation over the rows of all ranks, each of which counts once.

PyTorch's `SyncBatchNorm` refuses a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from redditgnn.distributed.team import Team


def synchronize_norms(model: nn.Module, team: Team) -> None:
    """Replace every batch normalisation inside `model` by one over the rows of all ranks.

    Parameters and buffers are the same objects under the same names.
    """
    for name, module in list(model.named_children()):
        if isinstance(module, nn.BatchNorm1d):
            setattr(model, name, TeamBatchNorm(module, team))
        else:
            synchronize_norms(module, team)


class TeamBatchNorm(nn.BatchNorm1d):
    """`norm`, with mean and variance in training of all ranks' rows."""

    def __init__(self, norm: nn.BatchNorm1d, team: Team) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine)
        self._parameters, self._buffers = norm._parameters, norm._buffers
        self.training, self.track_running_stats = norm.training, norm.track_running_stats
        self._team = team

    def forward(self, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        if not self.training:
            return super().forward(x)
        num_rows, mean, variance = team_statistics(x.detach().float(), self._team)
        if num_rows == 1:  # no variance
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        self._update_running(num_rows, mean, variance)
        scale = (variance + self.eps).rsqrt()
        out = _Standardize.apply(x.float(), mean, scale, num_rows, self._team)  # type: ignore[no-untyped-call]
        if self.weight is not None:
            out = out * self.weight + self.bias
        return out.to(x.dtype)

    @torch.no_grad()
    def _update_running(self, num_rows: int, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum
        share = 1 / float(self.num_batches_tracked) if momentum is None else momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        unbiased = variance * (num_rows / (num_rows - 1))
        self.running_var.lerp_(unbiased.to(self.running_var), share)


def team_statistics(
    x: Float[Tensor, "rows width"], team: Team
) -> tuple[int, Float[Tensor, " width"], Float[Tensor, " width"]]:
    """Return the number of all ranks' rows, their mean and their variance."""
    count = torch.tensor([len(x)], dtype=torch.float64, device=x.device)
    sums = team.sum_(torch.cat([count, x.sum(0, dtype=torch.float64)]))
    num_rows = int(sums[0])
    mean = sums[1:] / num_rows
    squares = (x - mean.to(x.dtype)).square().sum(0, dtype=torch.float64)
    variance = team.sum_(squares) / num_rows
    return num_rows, mean.to(x.dtype), variance.to(x.dtype)


class _Standardize(torch.autograd.Function):
    """(x - mean) * scale. Mean and scale depend on the rows of all ranks."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, scale: Tensor, num_rows: int, team: Team
    ) -> Tensor:
        out = (x - mean) * scale
        ctx.save_for_backward(out, scale)
        ctx.num_rows, ctx.team = num_rows, team
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        out, scale = ctx.saved_tensors
        sums = torch.stack(
            [grad.sum(0, dtype=torch.float64), (grad * out).sum(0, dtype=torch.float64)]
        )
        mean, slope = (ctx.team.sum_(sums) / ctx.num_rows).to(grad.dtype)
        return scale * (grad - mean - out * slope), None, None, None, None
