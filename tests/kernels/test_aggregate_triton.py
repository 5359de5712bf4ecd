"""The Triton kernel of sums against float64, on graphs that break kernels.

Without a CUDA device Triton's interpreter runs it.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from redditgnn.graph.csr import pointers

pytest.importorskip("triton", exc_type=ImportError)

from redditgnn.kernels.aggregate_triton import launch_settings, row_sums  # noqa: E402

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NUM_SOURCES = 11
BLOCK = launch_settings(1, 0, 7)["BLOCK_EDGES"]
DEGREES = {
    "no edges at all": [0, 0, 0],
    "no rows at all": [],
    "empty row between hubs": [500, 0, 333],
    "one edge": [1],
    "exactly one block": [BLOCK, BLOCK],
    "one past a block": [BLOCK + 1, 1, 5],
    "many short rows, one long": [2] * 40 + [300],
}
SUMS = {torch.float32: 2**-20, torch.float16: 2**-20}  # 16 roundings of float32
ERROR = SUMS | {torch.bfloat16: 2**-7}  # of the result's own type, which the interpreter cuts off
each_graph = pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES.keys())


def case(degrees: list[int], width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    col = torch.randint(NUM_SOURCES, (sum(degrees),), generator=generator, dtype=torch.int32)
    table = torch.randn(NUM_SOURCES, width, generator=generator).to(dtype)
    rowptr = pointers(torch.tensor(degrees, dtype=torch.int64))
    return table.to(DEVICE), rowptr.to(DEVICE), col.to(DEVICE)


def in_float64(table: Tensor, rowptr: Tensor, col: Tensor, weight: Tensor | None) -> Tensor:
    messages = table.double()[col.long()]
    messages = messages if weight is None else messages * weight.double()[:, None]
    row = torch.arange(len(rowptr) - 1, device=DEVICE).repeat_interleave(rowptr.diff())
    return messages.new_zeros(len(rowptr) - 1, table.size(1)).index_add(0, row, messages)


@each_graph
@pytest.mark.parametrize("width", [1, 7, 64, 130])
@pytest.mark.parametrize("weighted", [False, True], ids=["sum", "weighted"])
@pytest.mark.parametrize("dtype", ERROR)
def test_sums_are_those_of_float64(
    degrees: list[int], width: int, weighted: bool, dtype: torch.dtype
) -> None:
    table, rowptr, col = case(degrees, width, dtype)
    weight = torch.rand(len(col), device=DEVICE) if weighted else None
    out = row_sums(table, rowptr, col, weight)
    exact = in_float64(table, rowptr, col, weight)
    assert out.dtype == (torch.float32 if dtype == torch.float16 else dtype)
    magnitude = in_float64(table.abs(), rowptr, col, weight)
    assert ((out.double() - exact).abs() <= magnitude * ERROR[dtype]).all()


@each_graph
def test_the_same_input_gives_the_same_bits(degrees: list[int]) -> None:
    inputs = case(degrees, 7, torch.float32)
    once = row_sums(*inputs, None)
    assert all(torch.equal(row_sums(*inputs, None), once) for _ in range(3))


@pytest.mark.every_python
def test_indices_may_have_64_bits() -> None:
    table, rowptr, col = case([3, 40], 7, torch.float32)
    assert torch.equal(
        row_sums(table, rowptr, col.long(), None), row_sums(table, rowptr, col, None)
    )


def test_long_rows_get_four_warps() -> None:
    assert launch_settings(10, 6400, 64)["num_warps"] == 4
    assert launch_settings(10, 30, 64)["num_warps"] == 1
