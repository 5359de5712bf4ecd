"""Attention over the in-neighbours of each node, as operators of torch.

`redditgnn::gat_attention` and `redditgnn::gatv2_attention` have three implementations with the same
signatures: `gat_torch` (the reference), `gat_numba` (CPU) and `gat_triton` (CUDA). The two compiled
ones read the CSR in the forward pass, and the CSR and its transpose in the backward pass. They do
not materialise edge-sized tensors. The bits of the result do not depend on the number of threads.
`key` is a number below 2^32 on the device of `value`, or None without dropout.

Shapes: E edges, S sources, D destinations, H heads, C channels per head. Rows of the CSR are the
destinations. A destination without in-neighbours gets zeros. Sums are in float32, or in float64 for
float64, which only the reference takes. Results have the dtype of `value`.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from redditgnn.errors import require
from redditgnn.graph.csr import CSR, HaloCSR
from redditgnn.kernels.attention.coefficients import has_listener, tell_coefficients
from redditgnn.kernels.attention.halo import AttendInPieces, attend_in_torch
from redditgnn.kernels.backend import BACKENDS, backend_for


def gat_attention(
    value: Float[Tensor, "src heads channels"],
    score_src: Float[Tensor, "src heads"],
    score_dst: Float[Tensor, "dst heads"],
    csr: CSR,
    *,
    negative_slope: float,
    dropout: float,
) -> Float[Tensor, "dst heads channels"]:
    """Average each row's in-neighbours, weighted by softmax(LeakyReLU(score_src + score_dst)).

    Equations 1 to 4 of Velickovic et al. 2018 (arXiv:1710.10903). `dropout` is the probability
    that an attention coefficient is zeroed, with the rest scaled up. It is 0 outside training. The
    key is drawn from torch's global generator.
    """
    return _attend("gat", csr, negative_slope, dropout, value, score_src, score_dst)


def gatv2_attention(
    value: Float[Tensor, "src heads channels"],
    query: Float[Tensor, "dst heads channels"],
    att: Float[Tensor, "heads channels"],
    csr: CSR,
    *,
    negative_slope: float,
    dropout: float,
) -> Float[Tensor, "dst heads channels"]:
    """Average each row's in-neighbours, weighted by softmax(att . LeakyReLU(value + query)).

    Equation 7 of Brody et al. 2022 (arXiv:2105.14491). `dropout` as in `gat_attention`.
    """
    return _attend("gatv2", csr, negative_slope, dropout, value, query, att)


def require_slope(key: str, negative_slope: int | float) -> None:
    """Refuse slopes below 0: the compiled backends rely on a monotone LeakyReLU."""
    require(
        0.0 <= negative_slope < float("inf"),
        f"{key} must be 0 or positive, and finite, got {negative_slope}",
    )


def attention_bytes_per_edge(value: Float[Tensor, "_ heads channels"], copies: int) -> int:
    """Estimate the bytes that an edge costs with rows like those of `value`.

    `copies` is the number of tensors of size edges x heads x channels that the reference holds at
    once. The compiled backends read the edges with self-loops, and their transpose.
    """
    if backend_for(value) != "torch":
        return 28
    return 40 + copies * value.element_size() * value.size(1) * value.size(2)


def _attend(
    kind: str,
    csr: CSR,
    negative_slope: float,
    dropout: float,
    value: Tensor,
    left: Tensor,
    right: Tensor,
) -> Tensor:
    require(0.0 <= dropout < 1.0, f"dropout must be in [0, 1), got {dropout}")
    require_slope("negative_slope", negative_slope)
    backend = backend_for(value)
    dtypes = BACKENDS[backend].dtypes
    inputs = [t if t.dtype in dtypes else t.float() for t in (value, left, right)]
    key = torch.randint(2**32, (), device=value.device) if dropout else None
    if isinstance(csr, HaloCSR):
        implementation = partial(_implementation, kind, backend)
        attend = attend_in_torch if backend == "torch" else AttendInPieces.apply
        out = attend(implementation, csr, negative_slope, dropout, key, *inputs)
        return out.to(value.dtype)
    needs_transpose = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    transpose = csr.transpose if needs_transpose else (None, None)
    operator = getattr(torch.ops.redditgnn, f"{kind}_attention")
    out, logsumexp = operator(
        *inputs, csr.rowptr, csr.col, *transpose, negative_slope, dropout, key, backend
    )
    if has_listener():
        edge_logit = _implementation(kind, "torch", "edge_logit")
        tell_coefficients(edge_logit, inputs, csr, negative_slope, logsumexp)
    return out.to(value.dtype)


def _implementation(kind: str, backend: str, direction: str) -> Any:
    module = import_module(f"redditgnn.kernels.attention.{kind}_{backend}")
    return getattr(module, f"{kind}_{direction}")


GRAPH = "Tensor rowptr, Tensor col, Tensor? t_rowptr, Tensor? t_row"
SETTINGS = "float negative_slope, float dropout, Tensor? key, str backend"


def _define(kind: str) -> None:
    """Register the operator `redditgnn::<kind>_attention` and its gradient.

    `left` and `right` are the inputs of the scores: score_src and score_dst, or query and att.
    """
    inputs = "Tensor value, Tensor left, Tensor right"

    @torch.library.custom_op(
        f"redditgnn::{kind}_attention",
        mutates_args=(),
        schema=f"({inputs}, {GRAPH}, {SETTINGS}) -> (Tensor, Tensor)",
    )
    def forward(
        value: Any, left: Any, right: Any, rowptr: Any, col: Any, t_rowptr: Any, t_row: Any,
        negative_slope: Any, dropout: Any, key: Any, backend: Any,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        run = _implementation(kind, backend, "forward")
        return run(value, left, right, rowptr, col, negative_slope, dropout, key)

    @torch.library.custom_op(
        f"redditgnn::{kind}_attention_backward",
        mutates_args=(),
        schema=f"(Tensor grad_out, {inputs}, Tensor out, Tensor logsumexp, {GRAPH}, {SETTINGS})"
        " -> (Tensor, Tensor, Tensor)",
    )
    def backward(*arguments: Any) -> tuple[Tensor, ...]:
        *tensors_and_settings, backend = arguments
        run = _implementation(kind, backend, "backward")
        return tuple(grad.contiguous() for grad in run(*tensors_and_settings))

    def differentiate(ctx: Any, grad_out: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, rowptr, col, t_rowptr, t_row, out, logsumexp, key = ctx.saved_tensors
        grads = backward(
            grad_out.contiguous(),
            *(*inputs, out, logsumexp, rowptr, col, t_rowptr, t_row),
            *ctx.settings,
            key,
            ctx.backend,
        )
        return *grads, *[None] * 8

    forward.register_fake(_shapes_of_output)
    backward.register_fake(_shapes_of_gradients)
    forward.register_autograd(differentiate, setup_context=_setup_context)
    backward.register_autograd(partial(_refuse_second_derivative, kind))


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, negative_slope, dropout, key, backend = inputs
    ctx.save_for_backward(*tensors, *output, key)
    ctx.settings = negative_slope, dropout
    ctx.backend = backend
    ctx.mark_non_differentiable(output[1])


def _refuse_second_derivative(kind: str, ctx: Any, *grads: Tensor) -> None:
    raise RuntimeError(
        f"{kind}_attention has no second derivative; "
        "differentiate torch_geometric's own layer twice instead"
    )


def _shapes_of_output(value: Tensor, left: Tensor, right: Tensor, rowptr: Tensor, *_: Any) -> Any:
    rows = rowptr.size(0) - 1
    sums = torch.promote_types(value.dtype, torch.float32)
    return value.new_empty(rows, *value.shape[1:]), value.new_empty(rows, value.size(1), dtype=sums)


def _shapes_of_gradients(
    grad_out: Tensor, value: Tensor, left: Tensor, right: Tensor, *_: Any
) -> Any:
    return tuple(torch.empty_like(tensor).contiguous() for tensor in (value, left, right))


_define("gat")
_define("gatv2")
