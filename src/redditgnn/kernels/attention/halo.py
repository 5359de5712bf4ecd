"""Attention over a drawn share of the halo, whose edges count more than once.

An edge that counts c times adds log(c) to its logit. The compiled kernels know no such edges. But
the softmax over all edges is a mean of that over near ones and of that over edges from the halo,
weighted by their denominators. The kernels of the backward pass take output and denominator of the
whole row. So each call gives the gradients through its own edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from redditgnn.graph.csr import HaloCSR, row_of_edge
from redditgnn.kernels.attention.gat_torch import attended_rows

Implementation = Callable[[str], Any]
"""Returns the function of a backend for `forward`, `backward` or `edge_logit`."""


def attend_in_torch(
    implementation: Implementation,
    csr: HaloCSR,
    negative_slope: float,
    dropout: float,
    key: Tensor | None,
    value: Tensor,
    left: Tensor,
    right: Tensor,
) -> Tensor:
    """Attend edge by edge: the reference, differentiated by torch."""
    row = row_of_edge(csr.rowptr, len(csr.col))
    logit = implementation("edge_logit")(value, left, right, row, csr.col, negative_slope)
    logit = logit + csr.edge_scale.to(logit).log()[:, None]
    out, _ = attended_rows(logit, value, row, csr.col, csr.num_dst, dropout, key)
    return out


class AttendInPieces(torch.autograd.Function):
    """Attend to near sources and to those of the halo by the kernels of a compiled backend."""

    @staticmethod
    def forward(
        ctx: Any,
        implementation: Implementation,
        csr: HaloCSR,
        negative_slope: float,
        dropout: float,
        key: Tensor | None,
        *inputs: Tensor,
    ) -> Tensor:
        ctx.implementation, ctx.csr = implementation, csr
        ctx.settings = negative_slope, dropout, key
        run = implementation("forward")
        near, far = (
            run(*inputs, piece.rowptr, piece.col, *ctx.settings) for piece in (csr.near, csr.far)
        )
        logsumexps = torch.stack([near[1], far[1] + math.log(csr.halo_scale)])
        logsumexp = logsumexps.logsumexp(0)
        shares = (logsumexps - logsumexp).exp()[:, :, :, None]
        out = (shares[0] * near[0] + shares[1] * far[0]).to(near[0].dtype)
        ctx.save_for_backward(*inputs, out, logsumexp)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, out, logsumexp = ctx.saved_tensors
        run, csr = ctx.implementation("backward"), ctx.csr
        row = grad.contiguous(), *inputs, out
        far_logsumexp = logsumexp - math.log(csr.halo_scale)
        near, far = (
            run(*row, denominator, piece.rowptr, piece.col, *piece.transpose, *ctx.settings)
            for piece, denominator in ((csr.near, logsumexp), (csr.far, far_logsumexp))
        )
        return *[None] * 5, *(a + b for a, b in zip(near, far, strict=True))
