"""The attention coefficients of a layer's edges, for a listener.

The compiled kernels do not store them. They follow from the kernels' own softmax denominators, and
are computed for a piece of the edges at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from redditgnn.graph.csr import CSR

NUMBERS_AT_ONCE = 2**25
"""The most numbers that a tensor of edges x heads x channels may hold."""


class Coefficients(NamedTuple):
    """Coefficients of consecutive edges of a CSR. Those of a row sum up to 1."""

    row: Integer[Tensor, " edges"]
    col: Integer[Tensor, " edges"]
    alpha: Float[Tensor, "edges heads"]


Listener = Callable[[Coefficients], None]
EdgeLogit = Callable[..., Tensor]

_listener: Listener | None = None


@contextmanager
def coefficient_listener(listener: Listener) -> Iterator[None]:
    """Let `listener` hear the coefficients of every attention that is computed within."""
    global _listener
    previous, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = previous


def has_listener() -> bool:
    """Whether somebody asks for coefficients."""
    return _listener is not None


@torch.no_grad()
def tell_coefficients(
    edge_logit: EdgeLogit,
    inputs: Sequence[Tensor],
    csr: CSR,
    negative_slope: float,
    logsumexp: Float[Tensor, "dst heads"],
) -> None:
    """Pass the coefficients to the listener, without dropout.

    `edge_logit(*inputs, row, col, negative_slope)` gives the logits of some edges, and `logsumexp`
    the logarithm of each row's denominator. `inputs` begins with the values [src, heads, channels].
    """
    assert _listener is not None
    numbers = inputs[0].size(1) * inputs[0].size(2)
    step = max(1, NUMBERS_AT_ONCE // numbers)
    for start in range(0, len(csr.col), step):
        col = csr.col[start : start + step]
        row = _rows_of(csr, start, start + len(col))
        logit = edge_logit(*inputs, row, col, negative_slope)
        _listener(Coefficients(row, col, (logit - logsumexp[row]).exp()))


def _rows_of(csr: CSR, start: int, stop: int) -> Tensor:
    """Return the rows of some edges, without those of all others."""
    edges = torch.arange(start, stop, device=csr.rowptr.device)
    return torch.searchsorted(csr.rowptr, edges, right=True) - 1
