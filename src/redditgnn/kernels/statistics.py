"""Sum, sum of squares, largest and least of the rows that each destination reads, in one pass.

On a CPU a Numba kernel computes all four and reads each neighbour's row once. In the backward pass
the gradient of the sums goes over the transposed CSR. The gradient of an extreme goes to the one
source that it came from. Elsewhere stock operators of torch compute each statistic on demand.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from redditgnn.graph.batch import Block
from redditgnn.graph.csr import CSR
from redditgnn.kernels.aggregate import columns_at_once, embedding_bag, sum_rows, transpose_for
from redditgnn.kernels.backend import current_backend
from redditgnn.kernels.neighbors import mean_of_sum, neighbor_mean
from redditgnn.kernels.shortcut import differentiable
from redditgnn.runtime.numba_threads import run_on_ranges, run_on_rows

NUMBA, STOCK = "numba", "torch"  # the backends of the statistics
COLUMNS_A_TASK = 16  # a cache line of gradients


class StockStatistics:
    """Statistics by stock operators, on any device and in any precision.

    Each is [dst, width], over the in-neighbours of each destination, and zeros without any. Means
    use the block's scales, extremes do not.
    """

    def __init__(self, h: Float[Tensor, "src width"], block: Block) -> None:
        self._h, self._block = h, block

    @cached_property
    def mean(self) -> Tensor:
        return neighbor_mean(self._h, self._block)

    @cached_property
    def mean_square(self) -> Tensor:
        return neighbor_mean(self._h * self._h, self._block)

    @cached_property
    def largest(self) -> Tensor:
        return neighbor_max(self._h, self._block)

    @cached_property
    def least(self) -> Tensor:
        return -neighbor_max(-self._h, self._block)


class FusedStatistics:
    """The same statistics by one pass of a Numba kernel."""

    def __init__(self, h: Float[Tensor, "src width"], block: Block) -> None:
        sums_and_extremes = fused_statistics(h, block.csr, block.message_scale)
        total, squares, self.largest, self.least = sums_and_extremes.unbind()
        self.mean, self.mean_square = mean_of_sum(total, block), mean_of_sum(squares, block)


Statistics = StockStatistics | FusedStatistics


def statistics_of(h: Float[Tensor, "src width"], block: Block) -> Statistics:
    """Return the statistics of the rows of `h` over the edges of `block`."""
    is_fused = name_of_statistics(h.device) == NUMBA and h.dtype == torch.float32
    return FusedStatistics(h, block) if is_fused else StockStatistics(h, block)


def name_of_statistics(device: torch.device) -> str:
    """Return the name of the backend for statistics of float32 rows on `device`."""
    return NUMBA if current_backend(device) == NUMBA else STOCK


def neighbor_max(h: Float[Tensor, "src width"], block: Block) -> Float[Tensor, "dst width"]:
    """Return the largest of each column over a destination's edges. Zeros if it has none."""
    return embedding_bag(h, block.rowptr, block.col, None, mode="max")


def fused_statistics(
    h: Float[Tensor, "src width"], csr: CSR, weight: Float[Tensor, " edges"] | None
) -> Float[Tensor, "4 dst width"]:
    """Return sums and sums of squares, both weighted, and the largest and the least."""
    return row_statistics(h, csr.rowptr, csr.col, weight, *transpose_for(h, csr, weight))[0]


def compute_statistics(
    h: Float[Tensor, "src width"],
    rowptr: Tensor,
    col: Tensor,
    weight: Tensor | None,
    back_rowptr: Tensor | None,
    back_col: Tensor | None,
    back_weight: Tensor | None,
) -> tuple[Float[Tensor, "4 dst width"], Int32[Tensor, "2 dst_or_0 width"]]:
    """Return the statistics and, if there is a transpose, the sources of largest and least.

    The last three arguments are the transpose, which only the backward pass reads.
    """
    columns = columns_at_once(h, len(col))
    parts = [
        _column_statistics(part, rowptr, col, weight, back_rowptr is not None)
        for part in h.detach().split(columns, 1)
    ]
    statistics, picks = zip(*parts, strict=True)
    return torch.cat(statistics, 2), torch.cat(picks, 2)


def _column_statistics(
    h: Float[Tensor, "src width"],
    rowptr: Tensor,
    col: Tensor,
    weight: Tensor | None,
    wants_picks: bool,
) -> tuple[Float[Tensor, "4 dst width"], Int32[Tensor, "2 dst_or_0 width"]]:
    from redditgnn.kernels.attention.arrays_numba import flatten, pad_columns
    from redditgnn.kernels.statistics_numba import statistics_rows

    num_dst, width = len(rowptr) - 1, h.size(1)
    table = pad_columns(h)
    out = torch.empty(4, num_dst, table.size(1))
    picks = torch.empty(2, num_dst if wants_picks else 0, table.size(1), dtype=torch.int32)
    run_on_rows(
        statistics_rows,
        rowptr.numpy(),
        col.numpy(),
        *flatten(h.new_empty(0) if weight is None else weight, table),
        table.size(1),
        *flatten(out, picks.view(torch.float32)),
    )
    return out[..., :width], picks[..., :width]


def differentiate(
    grad: Float[Tensor, "4 dst width"],
    h: Float[Tensor, "src width"],
    picks: Int32[Tensor, "2 dst width"],
    back_rowptr: Tensor,
    back_col: Tensor,
    back_weight: Tensor | None,
) -> Float[Tensor, "src width"]:
    """Return the gradient of `h`, given that of the statistics."""
    grad_total, grad_squares = (
        sum_rows(grad_sums, back_rowptr, back_col, back_weight, False, None, None, None)
        for grad_sums in grad[:2]
    )
    grad_h = grad_total.addcmul_(grad_squares, h, value=2)
    for sources, grad_extreme in zip(picks, grad[2:], strict=True):
        add_to_sources(grad_h, sources, grad_extreme)
    return grad_h


def add_to_sources(
    into: Float[Tensor, "src width"],
    picks: Int32[Tensor, "dst width"],
    grad: Float[Tensor, "dst width"],
) -> None:
    """Add each number of `grad` to `into`, in its column, at the source in `picks`."""
    from redditgnn.kernels.attention.arrays_numba import flatten
    from redditgnn.kernels.statistics_numba import add_to_picked

    width = into.size(1)
    bounds = [*range(0, width, COLUMNS_A_TASK), width]
    arrays = flatten(picks.contiguous(), grad.contiguous())
    run_on_ranges(add_to_picked, bounds, *arrays, width, *flatten(into))


operator = torch.library.custom_op(
    "redditgnn::row_statistics",
    compute_statistics,
    mutates_args=(),
    schema="(Tensor h, Tensor rowptr, Tensor col, Tensor? weight, Tensor? back_rowptr, "
    "Tensor? back_col, Tensor? back_weight) -> (Tensor, Tensor)",
)
gradient = torch.library.custom_op(
    "redditgnn::row_statistics_backward",
    differentiate,
    mutates_args=(),
    schema="(Tensor grad, Tensor h, Tensor picks, Tensor back_rowptr, Tensor back_col, "
    "Tensor? back_weight) -> Tensor",
)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    h, _, _, _, *transpose = inputs
    ctx.save_for_backward(h, output[1], *transpose)


def _backward(call: Any, ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    return gradient(grad, *ctx.saved_tensors), *(None,) * 6


row_statistics = differentiable(operator, compute_statistics, _setup_context, _backward)


@gradient.register_fake
def _(grad: Tensor, h: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(h)


@operator.register_fake
def _(
    h: Tensor, rowptr: Tensor, col: Tensor, weight: Any, back_rowptr: Tensor | None, *_: Any
) -> tuple[Tensor, Tensor]:
    num_dst, width = len(rowptr) - 1, h.size(1)
    picks = h.new_empty(2, num_dst if back_rowptr is not None else 0, width, dtype=torch.int32)
    return h.new_empty(4, num_dst, width), picks
