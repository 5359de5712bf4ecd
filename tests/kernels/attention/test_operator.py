"""Every backend of attention against PyG's mathematics in float64, and what all have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.utils import softmax

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.graph.csr import CSR, pointers
from redditgnn.graph.data import GraphSpec
from redditgnn.kernels import backend as backend_module
from redditgnn.kernels.attention.operator import gat_attention, gatv2_attention
from redditgnn.kernels.backend import backend_for, use_backend
from redditgnn.kernels.edge_hash import edge_keep_mask

CPU = torch.device("cpu")
KINDS = {"gat": gat_attention, "gatv2": gatv2_attention}
DEGREES = {
    "no edges at all": [0, 0, 0],
    "one node": [1],
    "isolated node between hubs": [40, 0, 33],
    "exactly one chunk": [16, 16],
    "one past a chunk": [17, 1, 5, 33],
}
SHAPES = [(1, 1), (3, 5), (8, 8), (2, 20), (9, 3)]
NUM_SOURCES = 7

every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(params=["torch", "numba"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with use_backend(request.param, CPU):
        yield request.param


def graph_of(degrees: list[int], index: torch.dtype = torch.int32) -> CSR:
    generator = torch.Generator().manual_seed(1)
    col = torch.randint(NUM_SOURCES, (sum(degrees),), generator=generator, dtype=index)
    return CSR(pointers(torch.tensor(degrees)), col, NUM_SOURCES)


def inputs_of(
    kind: str, csr: CSR, heads: int, channels: int, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Random value and, for GAT, scores of sources and destinations; for GATv2, query and att."""
    generator = torch.Generator().manual_seed(2)
    shapes = {
        "gat": [(csr.num_src, heads), (csr.num_dst, heads)],
        "gatv2": [(csr.num_dst, heads, channels), (heads, channels)],
    }[kind]
    shapes = [(csr.num_src, heads, channels), *shapes]
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


def exact(kind: str, inputs: list[Tensor], csr: CSR, kept: Tensor | float = 1.0) -> Tensor:
    """PyG's formulas, edge by edge; `kept` multiplies the attention coefficients."""
    value, left, right = inputs
    col, row = csr.col.long(), csr.row
    if kind == "gat":
        logit = F.leaky_relu(left[col] + right[row], 0.2)
    else:
        logit = (F.leaky_relu(value[col] + left[row], 0.2) * right).sum(-1)
    alpha = softmax(logit, row, num_nodes=csr.num_dst) * kept
    zeros = value.new_zeros(csr.num_dst, *value.shape[1:])
    return zeros.index_add(0, row, alpha[:, :, None] * value[col])


def with_gradients(
    function: Callable[[list[Tensor]], Tensor], inputs: list[Tensor], dtype: torch.dtype
) -> list[Tensor]:
    """Output and gradients of all inputs, for the same random gradient of the output."""
    leaves = [tensor.detach().to(dtype).requires_grad_() for tensor in inputs]
    out = function(leaves)
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out.dtype)
    return [out.detach(), *torch.autograd.grad(out, leaves, weight)]


def assert_as_accurate(
    kind: str,
    inputs: list[Tensor],
    csr: CSR,
    kept: Tensor | float,
    got: list[Tensor],
    least: float = 1e-5,  # a few ulps of gradient times value
) -> None:
    """At most twice the error that the plain formula has in float32 (Dao 2022's bound)."""
    want = with_gradients(lambda t: exact(kind, t, csr, kept), inputs, torch.float64)
    kept = kept.float() if isinstance(kept, Tensor) else kept
    plain = with_gradients(lambda t: exact(kind, t, csr, kept), inputs, torch.float32)
    for truth, base, fused in zip(want, plain, got, strict=True):
        assert fused.shape == truth.shape
        if truth.numel():
            error, allowed = (fused - truth).abs().max(), (base - truth).abs().max()
            assert error <= 2 * allowed + least


@every_kind
@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES.keys())
@pytest.mark.parametrize(("heads", "channels"), SHAPES)
@pytest.mark.usefixtures("backend")
def test_output_and_gradients_are_as_accurate_as_the_plain_formula(
    kind: str, degrees: list[int], heads: int, channels: int
) -> None:
    csr = graph_of(degrees)
    inputs = inputs_of(kind, csr, heads, channels)

    def fused(tensors: list[Tensor]) -> Tensor:
        return KINDS[kind](*tensors, csr, negative_slope=0.2, dropout=0.0)

    assert_as_accurate(kind, inputs, csr, 1.0, with_gradients(fused, inputs, torch.float32))


@every_kind
@pytest.mark.usefixtures("backend")
def test_dropout_multiplies_by_the_hash_in_both_passes(kind: str) -> None:
    csr = graph_of([40, 0, 33, 1])
    inputs = inputs_of(kind, csr, 3, 5)

    def fused(tensors: list[Tensor]) -> Tensor:
        torch.manual_seed(5)
        return KINDS[kind](*tensors, csr, negative_slope=0.2, dropout=0.4)

    torch.manual_seed(5)
    key = torch.randint(2**32, ())
    kept = edge_keep_mask(csr.row, csr.col, 3, 0.4, key).double() / 0.6
    assert_as_accurate(kind, inputs, csr, kept, with_gradients(fused, inputs, torch.float32))


def test_the_hash_keeps_the_given_share_of_every_head_and_of_both_directions() -> None:
    row, col = torch.arange(40_000), torch.arange(40_000) // 7
    kept = edge_keep_mask(row, col, 4, 0.3, torch.tensor(2**32 - 5)).double()
    torch.testing.assert_close(kept.mean(0), torch.full((4,), 0.7).double(), atol=0.01, rtol=0)
    back = edge_keep_mask(col, row, 4, 0.3, torch.tensor(2**32 - 5)).double()
    other = edge_keep_mask(row, col, 4, 0.3, torch.tensor(2**32 - 4)).double()
    for left, right in [(kept[:, 0], kept[:, 1]), (kept, back), (kept, other)]:
        pair = torch.stack([left.reshape(-1), right.reshape(-1)])
        assert torch.corrcoef(pair)[0, 1].abs() < 0.02


@every_kind
def test_a_row_of_20_000_neighbours_beside_empty_ones_is_accurate(kind: str, backend: str) -> None:
    degrees = [0, 20_000, 0, 3]
    csr = graph_of(degrees)
    inputs = inputs_of(kind, csr, 2, 3)

    def fused(tensors: list[Tensor]) -> Tensor:
        return KINDS[kind](*tensors, csr, negative_slope=0.2, dropout=0.0)

    got = with_gradients(fused, inputs, torch.float32)
    least = 5e-5 if backend == "torch" else 1e-6  # the reference adds 20,000 numbers one by one
    assert_as_accurate(kind, inputs, csr, 1.0, got, least)


@every_kind
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.usefixtures("backend")
def test_the_bits_depend_neither_on_the_threads_nor_on_the_repetition(
    kind: str, threads: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    csr = graph_of(torch.randint(60, (90,), generator=generator).tolist())
    inputs = inputs_of(kind, csr, 4, 8)

    def fused(tensors: list[Tensor]) -> Tensor:
        torch.manual_seed(1)
        return KINDS[kind](*tensors, csr, negative_slope=0.2, dropout=0.3)

    first = with_gradients(fused, inputs, torch.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        again = with_gradients(fused, inputs, torch.float32)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


@every_kind
@pytest.mark.usefixtures("backend")
@pytest.mark.every_python
def test_indices_of_64_bits_and_strided_inputs_give_the_same(kind: str) -> None:
    narrow, wide = graph_of([5, 0, 9]), graph_of([5, 0, 9], torch.int64)
    inputs = inputs_of(kind, narrow, 2, 6)
    strided = [tensor.repeat_interleave(2, -1)[..., ::2] for tensor in inputs]
    settings = {"negative_slope": 0.2, "dropout": 0.0}
    expected = KINDS[kind](*inputs, narrow, **settings)
    assert not strided[0].is_contiguous()
    assert torch.equal(KINDS[kind](*strided, wide, **settings), expected)


@every_kind
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.usefixtures("backend")
def test_half_precision_is_rounded_once_at_the_end(kind: str, dtype: torch.dtype) -> None:
    csr = graph_of([30, 0, 4])
    inputs = inputs_of(kind, csr, 2, 8, dtype)
    settings = {"negative_slope": 0.2, "dropout": 0.0}
    out = KINDS[kind](*inputs, csr, **settings)
    full = KINDS[kind](*[tensor.float() for tensor in inputs], csr, **settings)
    assert out.dtype == dtype
    assert torch.equal(out, full.to(dtype))


@every_kind
@pytest.mark.usefixtures("backend")
def test_huge_scores_neither_overflow_nor_underflow(kind: str) -> None:
    csr = graph_of([5, 3])
    value, left, right = inputs_of(kind, csr, 2, 8)
    left, right = (left * 1e4, right) if kind == "gat" else (left, right * 1e4)
    out = KINDS[kind](value, left, right, csr, negative_slope=0.2, dropout=0.0)
    want = exact(kind, [t.double() for t in (value, left, right)], csr)
    torch.testing.assert_close(out.double(), want, atol=1e-3, rtol=1e-3)


@every_kind
@pytest.mark.parametrize("slope", [-0.2, float("nan"), float("inf")])
def test_a_slope_that_lets_the_leaky_relu_fall_is_refused(kind: str, slope: float) -> None:
    csr = graph_of([5, 3])
    with pytest.raises(ConfigError, match="^negative_slope must be 0 or positive, and finite"):
        KINDS[kind](*inputs_of(kind, csr, 2, 8), csr, negative_slope=slope, dropout=0.0)
    settings = compose_settings([f"model={kind}", f"model.negative_slope={slope}"])
    with pytest.raises(ConfigError, match="^model.negative_slope must be (0 or positive|finite)"):
        settings.build("model", GraphSpec(5, 3, 2, False))


@every_kind
@pytest.mark.usefixtures("backend")
def test_what_is_not_a_number_is_not_hidden(kind: str) -> None:
    csr = graph_of([5, 0, 3])
    value, left, right = inputs_of(kind, csr, 2, 8)
    value[int(csr.col[0])] = torch.nan
    out = KINDS[kind](value, left, right, csr, negative_slope=0.2, dropout=0.0)
    assert out[0].isnan().all()
    assert (out[1] == 0).all()


@every_kind
def test_gradients_of_the_reference_are_those_of_finite_differences(kind: str) -> None:
    csr = graph_of([4, 0, 5])
    inputs = [t.requires_grad_() for t in inputs_of(kind, csr, 2, 3, torch.float64)]

    def reference(*tensors: Tensor) -> Tensor:
        torch.manual_seed(0)
        return KINDS[kind](*tensors, csr, negative_slope=0.2, dropout=0.3)

    assert torch.autograd.gradcheck(reference, inputs)


@every_kind
@pytest.mark.usefixtures("backend")
def test_a_second_derivative_is_refused(kind: str) -> None:
    csr = graph_of([4, 0, 5])
    inputs = [t.requires_grad_() for t in inputs_of(kind, csr, 2, 3)]
    out = KINDS[kind](*inputs, csr, negative_slope=0.2, dropout=0.0)
    grads = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match=f"{kind}_attention has no second derivative"):
        grads[0].sum().backward()


@every_kind
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.filterwarnings("ignore")
def test_the_operator_obeys_the_rules_of_torch_library(
    kind: str, dropout: float, backend: str
) -> None:
    csr = graph_of([4, 0, 17])
    inputs = [t.requires_grad_() for t in inputs_of(kind, csr, 2, 8)]
    key = torch.tensor(7) if dropout else None
    operator = getattr(torch.ops.redditgnn, f"{kind}_attention").default
    arguments = (*inputs, csr.rowptr, csr.col, *csr.transpose, 0.2, dropout, key, backend)
    torch.library.opcheck(operator, arguments)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_dropout_that_is_no_probability_is_refused(dropout: float) -> None:
    csr = graph_of([2])
    with pytest.raises(ConfigError, match=r"dropout must be in \[0, 1\), got"):
        gat_attention(*inputs_of("gat", csr, 1, 1), csr, negative_slope=0.2, dropout=dropout)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "kernels.backend must be one of auto, torch, numba, triton, got cuda"),
        ("triton", "kernels.backend=triton cannot run here: it is made for cuda, not for cpu; "),
    ],
)
def test_a_backend_that_cannot_run_is_refused_with_the_reason(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message), use_backend(name, CPU):
        pass


def test_where_the_kernels_do_not_compile_the_reference_takes_over_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "redditgnn.kernels.simd_numba", None)
    backend_module._simd_compiles.cache_clear()
    value = torch.zeros(1, 1, 8)
    assert [backend_for(value), backend_for(value)] == ["torch", "torch"]
    assert caplog.text.count("torch is used on the CPU instead") == 1
    backend_module._simd_compiles.cache_clear()
