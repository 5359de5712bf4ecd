"""Fused attention on CUDA against the same operator in float64 on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from redditgnn.graph.csr import CSR, pointers
from redditgnn.kernels.attention.operator import gat_attention, gatv2_attention
from redditgnn.kernels.backend import use_backend

pytestmark = pytest.mark.gpu

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
HEADS, CHANNELS, NUM_SRC = 4, 41, 500
DEGREES = {
    "no edges at all": [0] * 5,
    "no neighbour between hubs": [400, 0, 333],
    "one edge": [1],
    "a row of 20,000": [20_000, 3, 0, 17],
    "many short rows": [7] * 400,
}
SCALE = {torch.float32: 1e-5, torch.bfloat16: 4e-2, torch.float16: 5e-3}  # of the largest number


def csr_of(degrees: list[int], device: torch.device) -> CSR:
    generator = torch.Generator().manual_seed(0)
    col = torch.randint(NUM_SRC, (sum(degrees),), generator=generator, dtype=torch.int32)
    return CSR(pointers(torch.tensor(degrees)).to(device), col.to(device), NUM_SRC)


def inputs_of(shapes: list[tuple[int, ...]], dtype: torch.dtype) -> list[Tensor]:
    """Draw values that `dtype` holds exactly."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


def forward_and_gradients(
    attention: Callable[..., Tensor], inputs: list[Tensor], csr: CSR, dropout: float
) -> list[Tensor]:
    leaves = [each.detach().clone().requires_grad_() for each in inputs]
    out = attention(*leaves, csr, negative_slope=0.2, dropout=dropout)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
    (out * weight.to(out)).sum().backward()
    found = [out.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]
    return [each.double().cpu() for each in found]


def shapes_of(attention: Callable[..., Tensor], num_dst: int) -> list[tuple[int, ...]]:
    value = (NUM_SRC, HEADS, CHANNELS)
    if attention is gat_attention:
        return [value, (NUM_SRC, HEADS), (num_dst, HEADS)]
    return [value, (num_dst, HEADS, CHANNELS), (HEADS, CHANNELS)]


both = pytest.mark.parametrize("attention", [gat_attention, gatv2_attention])
every_graph = pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES.keys())


@both
@every_graph
@pytest.mark.parametrize("dtype", SCALE)
def test_output_and_gradients_are_those_of_float64(
    attention: Callable[..., Tensor], degrees: list[int], dtype: torch.dtype
) -> None:
    inputs, csr = inputs_of(shapes_of(attention, len(degrees)), dtype), csr_of(degrees, CPU)
    exact = forward_and_gradients(attention, [t.double() for t in inputs], csr, 0.0)
    with use_backend("torch", CPU):
        plain = forward_and_gradients(attention, [t.float() for t in inputs], csr, 0.0)
    on_device = [t.to(CUDA) for t in inputs]
    found = forward_and_gradients(attention, on_device, csr_of(degrees, CUDA), 0.0)
    for one, base, other in zip(found, plain, exact, strict=True):
        allowed = SCALE[dtype] * max(1.0, float(other.abs().max()))  # the output's own rounding
        assert (one - other).abs().max() <= allowed + 2 * (base - other).abs().max()


@both
@every_graph
def test_the_same_input_gives_the_same_bits(
    attention: Callable[..., Tensor], degrees: list[int]
) -> None:
    inputs = [t.to(CUDA) for t in inputs_of(shapes_of(attention, len(degrees)), torch.float32)]
    runs = []
    for _ in range(20):
        torch.manual_seed(5)
        runs.append(forward_and_gradients(attention, inputs, csr_of(degrees, CUDA), 0.5))
    for run in runs[1:]:
        assert all(map(torch.equal, run, runs[0]))


@both
def test_attention_dropout_keeps_the_mean(attention: Callable[..., Tensor]) -> None:
    degrees = DEGREES["many short rows"]
    inputs = [t.to(CUDA) for t in inputs_of(shapes_of(attention, len(degrees)), torch.float32)]
    csr = csr_of(degrees, CUDA)
    kept = forward_and_gradients(attention, inputs, csr, 0.0)[0]
    draws = [forward_and_gradients(attention, inputs, csr, 0.5)[0] for _ in range(400)]
    assert not torch.equal(draws[0], draws[1])
    assert (torch.stack(draws).mean(0) - kept).abs().max() < 6 * 2 / 20  # six standard errors
