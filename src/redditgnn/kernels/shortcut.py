"""Custom operators that bypass torch's dispatcher where it is not needed.

An operator registered from Python is opaque to `torch.compile`, and works on shapes without values.
But each call costs some hundred microseconds of Python. On a graph of a few thousand nodes that is
more than the work. The same functions as an `autograd.Function` cost less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor


def differentiable(
    operator: Any,
    run: Callable[..., Any],
    setup_context: Callable[[Any, tuple[Any, ...], Any], None],
    backward: Callable[..., tuple[Any, ...]],
) -> Callable[..., Any]:
    """Register the gradient of `operator`, and return the function to call in its place.

    That function calls `run`, which `operator` wraps, and `operator` itself only while compiling or
    without values. `backward(call, ctx, *grads)` gets the function to call for the gradient, and
    one gradient per output. The first input of the operator must be a tensor.
    """

    class Eager(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            out = run(*inputs)
            setup_context(ctx, inputs, out)
            return out

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
            return backward(call, ctx, *grads)

    def call(*inputs: Any) -> Any:
        if torch.compiler.is_compiling() or inputs[0].is_meta:
            return operator(*inputs)
        if not torch.is_grad_enabled():  # as in most backward passes
            return run(*inputs)
        return Eager.apply(*inputs)  # type: ignore[no-untyped-call]

    operator.register_autograd(partial(backward, operator), setup_context=setup_context)
    return call
