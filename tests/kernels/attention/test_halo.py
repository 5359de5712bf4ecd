"""Attention in which edges from the halo count several times."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from redditgnn.graph.csr import CSR, HaloCSR, pointers
from redditgnn.kernels.attention.operator import gat_attention, gatv2_attention
from redditgnn.kernels.backend import use_backend

CPU = torch.device("cpu")
KINDS = {"gat": gat_attention, "gatv2": gatv2_attention}
HEADS, CHANNELS, NUM_DST, NUM_SRC, TIMES = 3, 5, 4, 9, 3
COL = [[0, 4, 8, 5], [1], [2, 7, 7], [5, 6]]  # the last row reads only the halo


def repeated(rows: list[list[int]]) -> CSR:
    """The edges, those from the halo `TIMES` times."""
    rows = [[s for s in row for _ in range(TIMES if s >= NUM_DST else 1)] for row in rows]
    col = torch.tensor([source for row in rows for source in row], dtype=torch.int32)
    return CSR(pointers(torch.tensor([len(row) for row in rows])), col, NUM_SRC)


def weighted(rows: list[list[int]]) -> HaloCSR:
    col = torch.tensor([source for row in rows for source in row], dtype=torch.int32)
    rowptr = pointers(torch.tensor([len(row) for row in rows]))
    return HaloCSR(rowptr, col, NUM_SRC, float(TIMES))


def output_and_gradients(kind: str, csr: CSR, dropout: float) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "gat": [(NUM_SRC, HEADS), (NUM_DST, HEADS)],
        "gatv2": [(NUM_DST, HEADS, CHANNELS), (HEADS, CHANNELS)],
    }[kind]
    shapes = [(NUM_SRC, HEADS, CHANNELS), *shapes]
    inputs = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    torch.manual_seed(1)  # the key of dropout
    out = KINDS[kind](*inputs, csr, negative_slope=0.2, dropout=dropout)
    gradients = torch.autograd.grad(
        (out * torch.randn(out.shape, generator=generator)).sum(), inputs
    )
    return [out.detach(), *gradients]


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_edge_that_counts_three_times_is_like_three_edges(
    kind: str, backend: str, dropout: float
) -> None:
    with use_backend(backend, CPU):
        found = output_and_gradients(kind, weighted(COL), dropout)
        expected = output_and_gradients(kind, repeated(COL), dropout)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_halo_nothing_changes(kind: str) -> None:
    rows = [[0], [1, 2], [2], [3, 0]]
    found = output_and_gradients(kind, weighted(rows), 0.0)
    torch.testing.assert_close(found, output_and_gradients(kind, repeated(rows), 0.0))
