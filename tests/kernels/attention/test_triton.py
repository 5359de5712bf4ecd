"""The Triton kernels of GAT and GATv2 against float64 torch, on graphs that break kernels.

Without a CUDA device Triton's interpreter runs them, and the graphs are as small as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.nn import GATConv, GATv2Conv

from redditgnn.graph.data import pointers

pytest.importorskip("triton", exc_type=ImportError)

from redditgnn.kernels.attention.gat_triton import gat_backward, gat_forward  # noqa: E402
from redditgnn.kernels.attention.gatv2_triton import gatv2_backward, gatv2_forward  # noqa: E402
from redditgnn.kernels.attention.parts_triton import tile_of  # noqa: E402

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NUM_SOURCES = 6
KEY = 0xDEADBEEF  # of its 32 bits the highest is set
SLOPE = 0.2
BLOCK = tile_of(3, 8).edges
DEGREES = {
    "no edges at all": [0, 0, 0],
    "no rows at all": [],
    "isolated node between hubs": [150, 0, 133],
    "one edge": [1],
    "exactly one block": [BLOCK, BLOCK],
    "one past a block": [BLOCK + 1, 1, 5],
}
MODELS = {"GAT": (gat_forward, gat_backward), "GATv2": (gatv2_forward, gatv2_backward)}

each_model = pytest.mark.parametrize("model", MODELS)


class Case(NamedTuple):
    """A bipartite graph as CSR and transposed CSR, three inputs, and the gradient of `out`.

    The inputs are value, score_src, score_dst of GAT or value, query, att of GATv2.
    """

    model: str
    rowptr: Tensor
    col: Tensor
    t_rowptr: Tensor
    t_row: Tensor
    inputs: tuple[Tensor, ...]
    grad_out: Tensor

    @property
    def row(self) -> Tensor:
        rows = torch.arange(len(self.rowptr) - 1, device=DEVICE)
        return rows.repeat_interleave(self.rowptr.diff())


def case_of(
    model: str,
    degrees: Sequence[int],
    heads: int = 3,
    channels: int = 8,
    dtype: torch.dtype = torch.float32,
    index: torch.dtype = torch.int32,
) -> Case:
    """Draw a case; the last source has no edges."""
    torch.manual_seed(0)
    rowptr = pointers(torch.tensor(degrees, dtype=torch.int64))
    col = torch.randint(NUM_SOURCES - 1, (sum(degrees),))
    row = torch.arange(len(degrees)).repeat_interleave(rowptr.diff())
    t_row = row[col.argsort(stable=True)]
    t_rowptr = pointers(col.bincount(minlength=NUM_SOURCES))
    value = torch.randn(NUM_SOURCES, heads, channels).to(dtype)
    if model == "GAT":
        inputs = (value, torch.randn(NUM_SOURCES, heads), torch.randn(len(degrees), heads))
    else:
        query = torch.randn(len(degrees), heads, channels).to(dtype)
        inputs = (value, query, torch.randn(heads, channels) / channels**0.5)
    grad_out = torch.randn(len(degrees), heads, channels).to(dtype)
    csr = (rowptr.to(DEVICE), col.to(DEVICE, index), t_rowptr.to(DEVICE), t_row.to(DEVICE, index))
    return Case(model, *csr, tuple(t.to(DEVICE) for t in inputs), grad_out.to(DEVICE))


def fused(case: Case, dropout: float = 0.0, key: int = KEY) -> tuple[Tensor, ...]:
    """Output and three gradients of the kernels."""
    forward, backward = MODELS[case.model]
    rule = (SLOPE, dropout, torch.tensor(key, device=DEVICE) if dropout else None)
    out, logsumexp = forward(*case.inputs, case.rowptr, case.col, *rule)
    csrs = (case.rowptr, case.col, case.t_rowptr, case.t_row)
    return out, *backward(case.grad_out, *case.inputs, out, logsumexp, *csrs, *rule)


def by_autograd(case: Case, dtype: torch.dtype, keep: Tensor | None = None) -> tuple[Tensor, ...]:
    """Output and three gradients of torch, all in `dtype`; `keep` [E, H] scales coefficients."""
    inputs = [t.detach().to(dtype).requires_grad_() for t in case.inputs]
    value, col, row = inputs[0], case.col.long(), case.row
    if case.model == "GAT":
        logit = F.leaky_relu(inputs[1][col] + inputs[2][row], SLOPE)
    else:
        logit = (F.leaky_relu(value[col] + inputs[1][row], SLOPE) * inputs[2]).sum(-1)
    largest = logit.new_full((len(case.rowptr) - 1, logit.shape[1]), -torch.inf)
    index = row[:, None].expand_as(logit)
    largest = largest.scatter_reduce(0, index, logit.detach(), "amax")
    weight = (logit - largest[row]).exp()
    alpha = weight / torch.zeros_like(largest).index_add(0, row, weight)[row]
    alpha = alpha if keep is None else alpha * keep.to(dtype)
    out = torch.zeros_like(case.grad_out, dtype=dtype)
    out = out.index_add(0, row, alpha[:, :, None] * value[col])
    return out.detach(), *torch.autograd.grad(out, inputs, case.grad_out.to(dtype))


def assert_as_accurate_as_torch(case: Case, got: tuple[Tensor, ...], dtype: torch.dtype) -> None:
    """At most twice the error of torch's own composition of operators in the same precision."""
    exact, plain = by_autograd(case, torch.float64), by_autograd(case, dtype)
    cancelled = 1e-5 * case.grad_out.shape[-1] ** 0.5  # some ulps of grad_out . value
    for want, base, ours in zip(exact, plain, got, strict=True):
        assert ours.shape == want.shape
        if want.numel():
            allowed = 2 * (base - want).abs().max() + cancelled
            assert (ours - want).abs().max() <= allowed


def mask_of(case: Case, dropout: float, key: int) -> Tensor:
    """What dropout multiplies each edge's heads by: [E, H], by the definition in numpy."""

    def mixed(x: np.ndarray) -> np.ndarray:
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
        return x ^ (x >> np.uint32(16))

    def counted(ids: np.ndarray, factor: int) -> np.ndarray:
        return (ids.astype(np.uint32) + np.uint32(1)) * np.uint32(factor)

    heads = np.arange(case.inputs[0].shape[1])
    row, col = case.row.cpu().numpy(), case.col.cpu().numpy()
    row_key = mixed(np.full(1, key, np.uint32) + counted(row, 0x9E3779B9))
    edge_key = mixed(row_key + counted(col, 0x85EBCA6B))
    bits = mixed(edge_key[:, None] + counted(heads, 0xC2B2AE35)[None, :])
    kept = bits >= np.uint32(min(round(dropout * 2**32), 2**32 - 1))
    return torch.from_numpy(kept / (1 - dropout)).to(DEVICE)


@each_model
@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES.keys())
def test_the_kernels_are_as_accurate_as_torch_in_float32(model: str, degrees: list[int]) -> None:
    case = case_of(model, degrees)
    assert_as_accurate_as_torch(case, fused(case), torch.float32)


@each_model
@pytest.mark.parametrize("heads", [1, 3, 8])
@pytest.mark.parametrize("channels", [1, 8, 20])
def test_any_number_of_heads_and_channels_will_do(model: str, heads: int, channels: int) -> None:
    case = case_of(model, [19, 0, 4], heads, channels)
    assert_as_accurate_as_torch(case, fused(case), torch.float32)


@each_model
@pytest.mark.parametrize(("heads", "channels"), [(5, 100), (2, 1000)])
def test_heads_are_spread_over_programs_where_a_row_is_wide(
    model: str, heads: int, channels: int
) -> None:
    assert tile_of(heads, channels).heads < heads
    case = case_of(model, [6, 0, 4], heads, channels)
    assert_as_accurate_as_torch(case, fused(case), torch.float32)


@each_model
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_as_accurate_as_torch_s(model: str, dtype: torch.dtype) -> None:
    case = case_of(model, [40, 0, 7], dtype=dtype)
    got = fused(case)
    halves = 3 if model == "GATv2" else 2
    assert [t.dtype for t in got] == [dtype] * halves + [torch.float32] * (4 - halves)
    assert_as_accurate_as_torch(case, got, dtype)


@each_model
def test_half_precision_costs_only_the_rounding_of_the_result(model: str) -> None:
    case = case_of(model, [40, 0, 7], dtype=torch.float16)
    out, want = fused(case)[0], by_autograd(case, torch.float64)[0]
    assert ((out - want).abs() <= 2**-11 * want.abs() + 2e-6).all()


@each_model
@pytest.mark.skipif(DEVICE.type == "cuda", reason="float64 is for the interpreter")
def test_in_float64_the_kernels_equal_torch(model: str) -> None:
    case = case_of(model, [40, 0, 7])
    doubles = tuple(t.double() for t in case.inputs)
    case = case._replace(inputs=doubles, grad_out=case.grad_out.double())
    keep = mask_of(case, 0.3, KEY)
    for got, want in zip(fused(case, 0.3), by_autograd(case, torch.float64, keep), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


@each_model
@pytest.mark.every_python
def test_indices_of_64_bits_and_strided_inputs_change_nothing(model: str) -> None:
    case = case_of(model, [20, 3])
    wide = case_of(model, [20, 3], index=torch.int64)
    assert wide.col.dtype == torch.int64
    strided = tuple(t.transpose(0, 1).contiguous().transpose(0, 1) for t in wide.inputs)
    assert not any(t.is_contiguous() for t in strided)
    wide = wide._replace(inputs=strided, col=wide.col.repeat_interleave(2)[::2])
    for got, want in zip(fused(wide, 0.4), fused(case, 0.4), strict=True):
        assert torch.equal(got, want)


@each_model
def test_a_source_behind_two_to_the_31_numbers_is_found(model: str) -> None:
    num_sources = 2**31 // (8 * 256) + 3
    value = torch.empty(num_sources, 8, 256, dtype=torch.float16, device=DEVICE)  # 4 GiB, untouched
    value[-1] = torch.arange(256, device=DEVICE)
    rowptr = torch.tensor([0, 1], device=DEVICE)
    col = torch.tensor([num_sources - 1], dtype=torch.int32, device=DEVICE)
    if model == "GAT":
        scores = (torch.zeros(num_sources, 8, device=DEVICE), torch.zeros(1, 8, device=DEVICE))
    else:
        scores = (value[-1:].clone(), torch.zeros(8, 256, device=DEVICE))
    out, _ = MODELS[model][0](value, *scores, rowptr, col, SLOPE, 0.0, None)
    assert torch.equal(out, value[-1:])


@each_model
def test_the_same_input_gives_the_same_bits(model: str) -> None:
    case = case_of(model, [40, 0, 7])
    first = fused(case, 0.5)
    for _ in range(250 if DEVICE.type == "cuda" else 1):
        assert all(map(torch.equal, fused(case, 0.5), first))


@each_model
def test_a_huge_score_does_not_overflow(model: str) -> None:
    case = case_of(model, [20, 3])
    first, *rest = case.inputs
    case = case._replace(inputs=(first, *(1e4 * t for t in rest)))
    got = fused(case)
    assert all(t.isfinite().all() for t in got)
    torch.testing.assert_close(got[0], by_autograd(case, torch.float32)[0])


@each_model
def test_a_score_that_is_no_number_stays_none_but_in_its_own_row(model: str) -> None:
    case = case_of(model, [20, 3])
    case.inputs[0 if model == "GATv2" else 1][case.col[1]] = torch.nan
    touched = torch.zeros(2, dtype=torch.bool, device=DEVICE)
    touched[case.row[case.col == case.col[1]]] = True
    assert torch.equal(fused(case)[0].isnan().all(-1).all(-1), touched)


@each_model
def test_the_logsumexp_of_no_edges_is_that_of_nothing(model: str) -> None:
    case = case_of(model, [0, 2])
    out, logsumexp = MODELS[model][0](*case.inputs, case.rowptr, case.col, SLOPE, 0.0, None)
    assert logsumexp.dtype == torch.float32
    assert (logsumexp[0] == -torch.inf).all()
    assert logsumexp[1].isfinite().all()
    assert (out[0] == 0).all()


@each_model
@pytest.mark.parametrize("key", [1, 2**31 - 1, 2**31, 2**32 - 1])
def test_dropout_follows_its_definition_forward_and_backward(model: str, key: int) -> None:
    dropout = 0.6  # its threshold is above 2^31
    case = case_of(model, [BLOCK + 3, 0, 7])
    want = by_autograd(case, torch.float64, mask_of(case, dropout, key))
    for got, expected in zip(fused(case, dropout, key), want, strict=True):
        torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("version", [1, 2])
def test_the_numbers_are_those_of_pyg(version: int, make_graph: Callable) -> None:
    graph = make_graph(num_nodes=20, num_edges=60)
    conv = (GATConv, GATv2Conv)[version - 1](5, 8, heads=3, add_self_loops=False, bias=False)
    rowptr, col, x = (t.to(DEVICE) for t in (graph.rowptr, graph.col, graph.x))
    rest = (rowptr, col, conv.to(DEVICE).negative_slope, 0.0, None)
    row = torch.arange(20, device=DEVICE).repeat_interleave(rowptr.diff())
    with torch.no_grad():
        if version == 1:
            value = conv.lin(x).view(-1, 3, 8)
            scores = ((value * att).sum(-1) for att in (conv.att_src, conv.att_dst))
            out, _ = gat_forward(value, *scores, *rest)
        else:
            value, query = conv.lin_l(x).view(-1, 3, 8), conv.lin_r(x).view(-1, 3, 8)
            out, _ = gatv2_forward(value, query, conv.att[0], *rest)
        expected = conv(x, torch.stack([col.long(), row]))
    torch.testing.assert_close(out.flatten(1), expected)


def test_many_rows_share_the_partial_sums_of_att_s_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("redditgnn.kernels.attention.gatv2_triton.MAX_PROGRAMS", 2)
    case = case_of("GATv2", [3, 0, 5, 1, 2])  # three rounds of two programs, the last not full
    assert_as_accurate_as_torch(case, fused(case), torch.float32)
