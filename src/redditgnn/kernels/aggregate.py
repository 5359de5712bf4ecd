"""Sums and means of the rows that each destination reads: one operator, forward and backward.

It gathers and adds in one pass and does not materialise edge-sized tensors. The gradient is the
same operator over the transposed CSR. Half-precision tables are summed in float32. bfloat16 gives
bfloat16 results. float16 gives float32 results, because many sums exceed its largest number.

On CUDA a Triton kernel computes it (`aggregate_triton`). Elsewhere it is a stock operator of torch:
`embedding_bag`, or a product with a sparse matrix. On x86 CPUs `embedding_bag` is much faster (its
kernels prefetch). It is always used there, so that runs repeat bit for bit. Elsewhere the process
uses the operator that wins a small trial.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from redditgnn.graph.csr import CSR
from redditgnn.graph.features import Rows
from redditgnn.kernels.backend import BACKENDS, current_backend
from redditgnn.kernels.shortcut import differentiable
from redditgnn.runtime.precision import at_least_float32

TRITON = "triton"  # the name of the backend, and of its sums

BYTES_PER_EDGE = 16  # values and wider indices of a sparse matrix, if a trial chose it

CACHE_BYTES = 3 * 2**20  # of a table that is read at random: a core's L2 cache has 1 or 2 MiB
LINE_BYTES = 64
READS_A_ROW = 32  # on average, from which a copy of a table's columns pays off

TRIAL_ROWS, TRIAL_DEGREE, TRIAL_WIDTH, TRIAL_REPEATS = 2**13, 32, 64, 5


def aggregate(
    h: Float[Tensor, "src width"] | Rows,
    csr: CSR,
    *,
    weight: Float[Tensor, " edges"] | None = None,
    mean: bool = False,
) -> Float[Tensor, "dst width"]:
    """Sum or average the rows of `h` that each destination reads. Zeros if it reads none.

    Lazy rows are read in place and have no gradient. `weight` multiplies the messages of a sum and
    has no gradient either.
    """
    assert weight is None or not mean, "a mean has no weights: divide a weighted sum"
    if isinstance(h, Rows):
        if not isinstance(h.table, Tensor):
            return aggregate(h.dense, csr, weight=weight, mean=mean)
        index = csr.col if h.node_ids is None else h.node_ids.to(csr.col.device)[csr.col]
        out = aggregate_rows(h.table, csr.rowptr, index, weight, mean, None, None, None)
        return at_least_float32(out)
    return aggregate_rows(h, csr.rowptr, csr.col, weight, mean, *transpose_for(h, csr, weight))


def transpose_for(h: Tensor, csr: CSR, weight: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return rowptr, col and weights of the transpose, or three None if `h` has no gradient."""
    if not (h.requires_grad and torch.is_grad_enabled()):
        return None, None, None
    t_weight = None if weight is None else weight.index_select(0, csr.edge_of_transpose)
    return (*csr.transpose, t_weight)


def sum_rows(
    table: Tensor,
    rowptr: Tensor,
    index: Tensor,
    weight: Tensor | None,
    mean: bool,
    back_rowptr: Tensor | None,
    back_index: Tensor | None,
    back_weight: Tensor | None,
) -> Tensor:
    """Sum `weight[e] * table[index[e]]` over the entries e of each row of `rowptr`.

    The last three arguments are the transpose, which only the backward pass reads.
    """
    weight = None if weight is None else weight.detach()
    out = _candidate_for(table)(table.detach().contiguous(), rowptr, index, weight)
    return out.div_(_divisors(rowptr)) if mean else out


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, rowptr, index, weight, ctx.mean, back_rowptr, back_index, back_weight = inputs
    ctx.save_for_backward(rowptr, index, weight, back_rowptr, back_index, back_weight)


def _backward(sums: Callable[..., Tensor], ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    rowptr, index, weight, back_rowptr, back_index, back_weight = ctx.saved_tensors
    if ctx.mean:
        grad = (grad / _divisors(rowptr)).to(grad.dtype)
    grad = sums(grad, back_rowptr, back_index, back_weight, False, rowptr, index, weight)
    return grad, *(None,) * 7


operator = torch.library.custom_op(
    "redditgnn::aggregate_rows",
    sum_rows,
    mutates_args=(),
    schema="(Tensor table, Tensor rowptr, Tensor index, Tensor? weight, bool mean, "
    "Tensor? back_rowptr, Tensor? back_index, Tensor? back_weight) -> Tensor",
)
aggregate_rows = differentiable(operator, sum_rows, _setup_context, _backward)


@operator.register_fake
def _(table: Tensor, rowptr: Tensor, *_: Any) -> Tensor:
    dtype = torch.float32 if table.dtype == torch.float16 else table.dtype
    return table.new_empty(rowptr.size(0) - 1, table.size(1), dtype=dtype)


def sums_by_columns(table: Tensor, rowptr: Tensor, index: Tensor, weight: Tensor | None) -> Tensor:
    """Sum as `embedding_bag` does, bit for bit, a few columns of the table at a time."""
    columns = columns_at_once(table, len(index))
    if columns >= table.size(1):
        return embedding_bag(table, rowptr, index, weight)
    out = table.new_empty(len(rowptr) - 1, table.size(1))
    for source, target in zip(table.split(columns, 1), out.split(columns, 1), strict=True):
        target.copy_(embedding_bag(source.contiguous(), rowptr, index, weight))
    return out


def embedding_bag(
    table: Tensor, rowptr: Tensor, index: Tensor, weight: Tensor | None, mode: str = "sum"
) -> Tensor:
    """Sum, or take the largest for `mode="max"`, with torch's `embedding_bag`.

    Its mean first writes the row of every entry, which takes longer than the sum.
    """
    if len(index) == 0:
        return table.new_zeros(len(rowptr) - 1, table.size(1))
    if index.dtype != rowptr.dtype and len(index) >= 2**31:
        index = index.long()
    return F.embedding_bag(
        index,
        table,
        rowptr.to(index.dtype),
        mode=mode,
        per_sample_weights=None if weight is None else weight.to(table.dtype),
        include_last_offset=True,
    )


def columns_at_once(table: Float[Tensor, "rows width"], num_reads: int) -> int:
    """Return the best number of columns to gather together for `num_reads` reads of rows.

    Rows are read at random. On a CPU a table that outgrows the caches is therefore cut into columns
    that fit, if there are many reads. Each number is summed as in the whole table.
    """
    if table.device.type != "cpu" or num_reads < READS_A_ROW * len(table):
        return max(1, table.size(1))
    lines = CACHE_BYTES // max(1, LINE_BYTES * len(table))
    return max(1, lines) * LINE_BYTES // table.element_size()


def _sums_of_float16(table: Tensor, rowptr: Tensor, index: Tensor, weight: Tensor | None) -> Tensor:
    """Return float32 sums, with each row's weights scaled to a total below 1 on the way.

    The scales are powers of two. They cost digits only in rows of very many edges, where weights
    become too small for a normal float16.
    """
    counts = rowptr.diff()
    total = counts.float()
    if weight is not None:
        total = torch.segment_reduce(weight.abs(), "sum", offsets=rowptr, unsafe=True)
    exponent = torch.frexp(total).exponent
    share = torch.ldexp(torch.ones_like(total), -exponent)
    share = share.repeat_interleave(counts, output_size=len(index))
    share = share if weight is None else share * weight
    return torch.ldexp(sums_by_columns(table, rowptr, index, share).float(), exponent[:, None])


def _sparse_mm(table: Tensor, rowptr: Tensor, index: Tensor, weight: Tensor | None) -> Tensor:
    values = table.new_ones(len(index)) if weight is None else weight.to(table.dtype)
    matrix = torch.sparse_csr_tensor(
        rowptr,
        index.to(rowptr.dtype),
        values,
        size=(len(rowptr) - 1, len(table)),
        check_invariants=False,
    )
    return matrix @ table


def _divisors(rowptr: Tensor) -> Tensor:
    """Return the divisors of means, in float32: bfloat16 cannot tell 256 from 257."""
    return rowptr.diff().clamp(min=1)[:, None].to(torch.float32)


Candidate = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
CANDIDATES: dict[str, Candidate] = {"embedding_bag": sums_by_columns, "sparse_mm": _sparse_mm}


def _candidate_for(table: Tensor) -> Candidate:
    if current_backend(table.device) == TRITON and table.dtype in BACKENDS[TRITON].dtypes:
        from redditgnn.kernels.aggregate_triton import row_sums

        return row_sums
    if table.dtype == torch.float16:
        return _sums_of_float16
    if table.dtype == torch.bfloat16:  # sparse products are slow or missing in bfloat16
        return sums_by_columns
    return CANDIDATES[choose_candidate(table.device.type)]


def name_of_sums(device: torch.device) -> str:
    """Return the name of the implementation that sums float32 rows on `device`."""
    return TRITON if current_backend(device) == TRITON else choose_candidate(device.type)


@cache
def choose_candidate(device_type: str) -> str:
    """Return the stock operator for such a device, chosen by a trial except on x86."""
    if device_type == "cpu" and platform.machine().lower() in ("x86_64", "amd64"):
        return "embedding_bag"
    return min(CANDIDATES, key=lambda name: _trial(CANDIDATES[name], torch.device(device_type)))


def _trial(candidate: Candidate, device: torch.device) -> float:
    """Return the least time in seconds of a few sums of random rows."""
    generator = torch.Generator().manual_seed(0)
    num_edges = TRIAL_ROWS * TRIAL_DEGREE
    index = torch.randint(TRIAL_ROWS, (num_edges,), generator=generator).int().to(device)
    rowptr = torch.arange(0, num_edges + 1, TRIAL_DEGREE, device=device)
    table = torch.ones(TRIAL_ROWS, TRIAL_WIDTH, device=device)
    seconds = []
    for _ in range(TRIAL_REPEATS):
        start = time.perf_counter()
        candidate(table, rowptr, index, None)[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return min(seconds)
