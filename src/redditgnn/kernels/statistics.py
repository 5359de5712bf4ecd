"""Sum, sum of squares, largest and least of the rows that each destination reads, in one pass.

On a CPU a Numba kernel computes all four while it reads each neighbour's row once; backward, the
gradient of the sums goes over the transposed CSR, and that of an extreme to the one source that it
was taken from. Elsewhere each is made by stock operators of torch, when it is asked for.
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
from redditgnn.kernels.backend import chosen_backend
from redditgnn.kernels.neighbors import mean_of_sum, neighbor_mean, weight_unless_equal
from redditgnn.kernels.shortcut import differentiable
from redditgnn.runtime.numba_threads import run_on_ranges, run_on_rows

NUMBA, STOCK = "numba", "torch"  # the backends that there are of it
COLUMNS_A_TASK = 16  # a cache line of gradients


class StockStatistics:
    """Statistics by stock operators, on any device and in any precision.

    Each is [dst, width], of the in-neighbours of each destination; of none, zeros. Means are
    weighted as the block says, extremes are not.
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
    """The same by one pass of a Numba kernel."""

    def __init__(self, h: Float[Tensor, "src width"], block: Block) -> None:
        found = fused(h, block.csr, weight_unless_equal(block))
        total, squares, self.largest, self.least = found.unbind()
        self.mean, self.mean_square = mean_of_sum(total, block), mean_of_sum(squares, block)


Statistics = StockStatistics | FusedStatistics


def statistics_of(h: Float[Tensor, "src width"], block: Block) -> Statistics:
    """Return the statistics of the rows of `h` over the edges of `block`."""
    is_fused = name_of_statistics(h.device) == NUMBA and h.dtype == torch.float32
    return FusedStatistics(h, block) if is_fused else StockStatistics(h, block)


def name_of_statistics(device: torch.device) -> str:
    """Return the name of what computes the statistics of float32 rows on `device`."""
    return NUMBA if chosen_backend(device) == NUMBA else STOCK


def neighbor_max(h: Float[Tensor, "src width"], block: Block) -> Float[Tensor, "dst width"]:
    """Return the largest of each column over a destination's edges; zeros if it has none."""
    return embedding_bag(h, block.rowptr, block.col, None, mode="max")


def fused(
    h: Float[Tensor, "src width"], csr: CSR, weight: Float[Tensor, " edges"] | None
) -> Float[Tensor, "4 dst width"]:
    """Return sums and sums of squares, both of weighted rows, and the largest and the least."""
    return row_statistics(h, csr.rowptr, csr.col, weight, *transpose_for(h, csr, weight))[0]


def compute(
    h: Float[Tensor, "src width"],
    rowptr: Tensor,
    col: Tensor,
    weight: Tensor | None,
    back_rowptr: Tensor | None,
    back_col: Tensor | None,
    back_weight: Tensor | None,
) -> tuple[Float[Tensor, "4 dst width"], Int32[Tensor, "2 dst_or_0 width"]]:
    """Return the statistics, and, if there is a transpose, whose the largest and the least were.

    The last three are the transpose, which only the backward pass reads.
    """
    columns = columns_at_once(h, len(col))
    found = [
        _of_columns(part, rowptr, col, weight, back_rowptr is not None)
        for part in h.detach().split(columns, 1)
    ]
    statistics, picks = zip(*found, strict=True)
    return torch.cat(statistics, 2), torch.cat(picks, 2)


def _of_columns(
    h: Float[Tensor, "src width"],
    rowptr: Tensor,
    col: Tensor,
    weight: Tensor | None,
    wants_picks: bool,
) -> tuple[Float[Tensor, "4 dst width"], Int32[Tensor, "2 dst_or_0 width"]]:
    from redditgnn.kernels.attention.arrays_numba import flat, padded
    from redditgnn.kernels.statistics_numba import statistics_rows

    num_dst, width = len(rowptr) - 1, h.size(1)
    table = padded(h)
    out = torch.empty(4, num_dst, table.size(1))
    picks = torch.empty(2, num_dst if wants_picks else 0, table.size(1), dtype=torch.int32)
    run_on_rows(
        statistics_rows,
        rowptr.numpy(),
        col.numpy(),
        *flat(h.new_empty(0) if weight is None else weight, table),
        table.size(1),
        *flat(out, picks.view(torch.float32)),
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
    """Return the gradient of `h`, by that of the statistics."""
    of_total, of_squares = (
        sum_rows(of_sums, back_rowptr, back_col, back_weight, False, None, None, None)
        for of_sums in grad[:2]
    )
    found = of_total.addcmul_(of_squares, h, value=2)
    for numbers, of_extreme in zip(picks, grad[2:], strict=True):
        add_to_sources(found, numbers, of_extreme)
    return found


def add_to_sources(
    into: Float[Tensor, "src width"],
    picks: Int32[Tensor, "dst width"],
    grad: Float[Tensor, "dst width"],
) -> None:
    """Add each number of `grad` to `into`, at the source that `picks` names and in its column."""
    from redditgnn.kernels.attention.arrays_numba import flat
    from redditgnn.kernels.statistics_numba import add_to_picked

    width = into.size(1)
    bounds = [*range(0, width, COLUMNS_A_TASK), width]
    arrays = flat(picks.contiguous(), grad.contiguous())
    run_on_ranges(add_to_picked, bounds, *arrays, width, *flat(into))


operator = torch.library.custom_op(
    "redditgnn::row_statistics",
    compute,
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


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    h, _, _, _, *transposed = inputs
    ctx.save_for_backward(h, output[1], *transposed)


def _backward(call: Any, ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    return gradient(grad, *ctx.saved_tensors), *(None,) * 6


row_statistics = differentiable(operator, compute, _remember, _backward)


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
