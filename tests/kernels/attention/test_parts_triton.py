"""What the Triton kernels of attention share: the random bits of dropout, tiles."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch._subclasses.fake_tensor import FakeTensorMode

triton = pytest.importorskip("triton", exc_type=ImportError)
tl = pytest.importorskip("triton.language", exc_type=ImportError)

import redditgnn.kernels.attention.operator  # noqa: E402, F401  (registers the operators)
from redditgnn.kernels.attention.parts_triton import dropout_scale, tile_of  # noqa: E402
from redditgnn.kernels.backend import BACKENDS  # noqa: E402

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@triton.jit
def write_kept(out_ptr, key_ptr, THRESHOLD: tl.constexpr, SCALE: tl.constexpr):
    """One program writes the mask of 1024 edges and 8 heads of one row."""
    src, head = tl.arange(0, 1024), tl.arange(0, 8)
    mask = dropout_scale(tl.program_id(0), src, head, key_ptr, THRESHOLD, SCALE, tl.float32)
    cell = (tl.program_id(0) * 1024 + src)[:, None] * 8 + head[None, :]
    tl.store(out_ptr + cell, mask)


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_share_it_should_whatever_the_neighbour(dropout: float) -> None:
    masks = torch.empty(2, 16, 1024, 8, device=DEVICE)
    for key, mask in enumerate(masks):
        write_kept[(16,)](
            mask, torch.tensor(key, device=DEVICE), THRESHOLD=round(dropout * 2**32), SCALE=2.0
        )
    alive = masks == 2.0
    assert torch.equal(masks, 2.0 * alive)
    assert stats.binomtest(int(alive.sum()), alive.numel(), 1 - dropout).pvalue > 1e-4
    chance = dropout**2 + (1 - dropout) ** 2
    for axis in range(4):  # the next key, row, source and head
        agree = alive.narrow(axis, 1, alive.shape[axis] - 1) == alive.narrow(
            axis, 0, alive.shape[axis] - 1
        )
        assert stats.binomtest(int(agree.sum()), agree.numel(), chance).pvalue > 1e-4


@pytest.mark.parametrize("heads", [1, 3, 8, 64])
@pytest.mark.parametrize("channels", [1, 8, 41, 256, 257, BACKENDS["triton"].max_channels])
def test_a_thread_holds_16_numbers_of_a_tile_at_most(heads: int, channels: int) -> None:
    tile = tile_of(heads, channels)
    numbers = tile.edges * tile.heads * tile.channels
    assert numbers <= 16 * 32 * tile.num_warps
    assert tile.channels >= channels
    assert tile.heads < 2 * heads
    assert all(size.bit_count() == 1 for size in tile)


@pytest.mark.parametrize("kind", ["gat", "gatv2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_compiler_is_told_that_softmax_sums_stay_float32(kind: str, dtype: torch.dtype) -> None:
    with FakeTensorMode():
        value, left = (torch.empty(3, 2, 4, dtype=dtype) for _ in range(2))
        rowptr, col = torch.empty(4, dtype=torch.int64), torch.empty(9, dtype=torch.int32)
        operator = getattr(torch.ops.redditgnn, f"{kind}_attention")
        fixed = (rowptr, col, None, None, 0.2, 0.0, None, "triton")
        out, logsumexp = operator(value, left, left, *fixed)
    assert out.dtype == dtype
    assert logsumexp.dtype == torch.float32
