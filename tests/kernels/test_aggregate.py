"""Sums and means over rows of a CSR against products with a dense matrix in float64."""

from __future__ import annotations

import platform

import pytest
import torch
from torch import Tensor

from redditgnn.graph.csr import CSR, pointers
from redditgnn.graph.features import Rows
from redditgnn.kernels import aggregate as module
from redditgnn.kernels.aggregate import aggregate, aggregate_rows, choose_candidate

HUB = 20_000
KINDS = ("sum", "mean", "weighted")
every_kind = pytest.mark.parametrize("kind", KINDS)


def random_csr(degrees: list[int], num_src: int, index: torch.dtype = torch.int32) -> CSR:
    generator = torch.Generator().manual_seed(1)
    col = torch.randint(num_src, (sum(degrees),), generator=generator).to(index)
    return CSR(pointers(torch.tensor(degrees, dtype=torch.int64)), col, num_src)


GRAPHS = {
    "empty rows and a hub": random_csr([0, 3, HUB, 0, 17, 1, 0], 50),
    "int64": random_csr([2, 0, 31], 9, torch.int64),
    "no edges": random_csr([0, 0], 4),
    "no destinations": random_csr([], 4),
    "one node that reads itself": random_csr([1], 1),
}
every_graph = pytest.mark.parametrize("csr", GRAPHS.values(), ids=GRAPHS.keys())


def arguments(kind: str, csr: CSR, dtype: torch.dtype = torch.float32) -> dict:
    generator = torch.Generator().manual_seed(2)
    weight = torch.rand(len(csr.col), generator=generator, dtype=dtype)
    return {"mean": {"mean": True}, "weighted": {"weight": weight}}.get(kind, {})


def dense(csr: CSR, weight: Tensor | None = None, mean: bool = False) -> Tensor:
    """The matrix [destinations, sources] that the aggregation multiplies by."""
    values = torch.ones(len(csr.col)) if weight is None else weight
    matrix = torch.zeros(csr.num_dst, csr.num_src, dtype=torch.float64)
    matrix.index_put_((csr.row, csr.col.long()), values.double(), accumulate=True)
    return matrix / csr.rowptr.diff().clamp(min=1)[:, None] if mean else matrix


def states(csr: CSR, width: int = 7, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(csr.num_src, width, generator=generator).to(dtype)


def in_order(csr: CSR, h: Tensor, weight: Tensor | None = None, mean: bool = False) -> Tensor:
    """The same by gathering and adding, in the precision of `h`: what errors are compared to."""
    message = h.index_select(0, csr.col)
    message = message if weight is None else message * weight[:, None].to(h.dtype)
    out = h.new_zeros(csr.num_dst, h.size(1)).index_add(0, csr.row, message)
    return out / csr.rowptr.diff().clamp(min=1)[:, None] if mean else out


def assert_no_worse_than(stock: Tensor, out: Tensor, truth: Tensor) -> None:
    """At most twice the error of plain operators in the same precision."""
    if truth.numel():
        rounding = torch.finfo(out.dtype).eps * truth.abs().max()
        allowed = 2 * (stock.double() - truth).abs().max() + rounding
        assert (out.double() - truth).abs().max() <= allowed


@every_kind
@every_graph
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_it_is_as_exact_as_gathering_and_adding(csr: CSR, kind: str, dtype: torch.dtype) -> None:
    h, how = states(csr, dtype=dtype), arguments(kind, csr)
    out = aggregate(h, csr, **how)
    assert out.dtype == (torch.float32 if dtype == torch.float16 else dtype)
    assert out.shape == (csr.num_dst, 7)
    assert_no_worse_than(in_order(csr, h, **how), out, dense(csr, **how) @ h.double())


@every_kind
@every_graph
@pytest.mark.every_python
def test_the_gradient_is_that_of_the_dense_product(csr: CSR, kind: str) -> None:
    how = arguments(kind, csr)
    mine, truth = (states(csr).to(t).requires_grad_() for t in (torch.float32, torch.float64))
    grad = torch.linspace(-1, 1, csr.num_dst * 7).view(-1, 7)
    aggregate(mine, csr, **how).backward(grad)
    (dense(csr, **how) @ truth).backward(grad.double())
    torch.testing.assert_close(mine.grad, truth.grad.float(), rtol=1e-4, atol=1e-5)


@every_kind
def test_first_and_second_derivatives_agree_with_differences(kind: str) -> None:
    csr = random_csr([3, 0, 2, 4], 5)
    how, h = arguments(kind, csr, torch.float64), states(csr, 3, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: aggregate(h, csr, **how), h)
    assert torch.autograd.gradgradcheck(lambda h: aggregate(h, csr, **how), h)


@every_kind
def test_the_operator_is_registered_as_torch_asks(kind: str) -> None:
    csr = random_csr([3, 0, 2, 4], 5)
    how = arguments(kind, csr)
    weight = how.get("weight")
    back = (*csr.transpose, None if weight is None else weight[csr.edge_of_transpose])
    fixed = (csr.rowptr, csr.col, weight, how.get("mean", False), *back)
    torch.library.opcheck(module.operator, (states(csr).requires_grad_(), *fixed))


def test_it_compiles_into_one_graph() -> None:
    csr = random_csr([3, 0, 2], 5)
    fixed = (csr.rowptr, csr.col, None, True, *csr.transpose, None)

    def doubled(h: Tensor) -> Tensor:
        return aggregate_rows(2 * h, *fixed).relu()

    results = []
    for function in (doubled, torch.compile(doubled, backend="aot_eager", fullgraph=True)):
        h = states(csr).requires_grad_()
        out = function(h)
        out.sum().backward()
        results.append((out.detach(), h.grad))
    torch.testing.assert_close(*results)


@every_kind
def test_lazy_rows_are_read_where_they_lie(kind: str) -> None:
    csr = GRAPHS["empty rows and a hub"]
    node_ids = torch.randint(99, (csr.num_src,), generator=torch.Generator().manual_seed(4))
    table, how = torch.randn(99, 7), arguments(kind, csr)
    rows = Rows(table, node_ids)
    out = aggregate(rows, csr, **how)
    assert torch.equal(out, aggregate(table[node_ids], csr, **how))
    assert rows._dense is None


def test_a_stored_half_gives_float32_sums() -> None:
    csr = random_csr([3, 0, 2], 5)
    table = states(csr, dtype=torch.bfloat16)
    out = aggregate(Rows(table), csr)
    assert out.dtype == torch.float32
    truth = dense(csr) @ table.double()
    torch.testing.assert_close(out.double(), truth, rtol=2**-8, atol=2**-8)


@pytest.mark.parametrize(("degree", "value"), [(3_000, 30.0), (70_000, 0.5), (300, 60_000.0)])
def test_sums_beyond_the_range_of_float16_are_right(degree: int, value: float) -> None:
    csr = CSR(torch.tensor([0, degree, degree]), torch.zeros(degree, dtype=torch.int32), 1)
    table = torch.full((1, 3), value, dtype=torch.float16)
    weight = torch.full((degree,), 2.0)
    for out, truth in (
        (aggregate(Rows(table), csr), degree * value),
        (aggregate(Rows(table), csr, weight=weight), 2 * degree * value),
        (aggregate(Rows(table), csr, mean=True), value),
    ):
        assert out.dtype == torch.float32
        torch.testing.assert_close(out, torch.tensor([[truth] * 3, [0.0] * 3]), rtol=1e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_what_is_announced_to_the_compiler_is_what_comes(dtype: torch.dtype) -> None:
    csr = random_csr([3, 0, 2], 5)
    inputs = (states(csr, dtype=dtype), csr.rowptr, csr.col, None, True, None, None, None)
    torch.library.opcheck(module.operator, inputs, test_utils="test_faketensor")


def test_states_need_not_be_contiguous() -> None:
    csr = random_csr([3, 0, 2], 5)
    h = torch.randn(7, 5).T
    assert torch.equal(aggregate(h, csr), aggregate(h.contiguous(), csr))


def test_nothing_is_transposed_where_no_gradient_is_wanted() -> None:
    csr = random_csr([3, 0, 2], 5)
    aggregate(states(csr), csr)
    with torch.no_grad():
        aggregate(states(csr).requires_grad_(), csr)
    assert "transpose" not in vars(csr)


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    csr = GRAPHS["empty rows and a hub"]
    once = aggregate(states(csr, 64), csr)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert torch.equal(aggregate(states(csr, 64), csr), once)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.filterwarnings("ignore:Sparse")
@every_kind
def test_every_candidate_gives_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    csr = GRAPHS["empty rows and a hub"]
    h, how = states(csr), arguments(kind, csr)
    expected = dense(csr, **how) @ h.double()
    for name in module.CANDIDATES:
        monkeypatch.setattr(module, "choose_candidate", lambda _, name=name: name)
        torch.testing.assert_close(
            aggregate(h, csr, **how).double(), expected, rtol=1e-4, atol=1e-3
        )


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_trial_chooses_except_on_an_x86_processor(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(choose_candidate.cache_clear)
    tried: list[str] = []
    monkeypatch.setattr(module, "_trial", lambda c, device: tried.append(c) or len(tried))
    for machine, trials in (("x86_64", 0), ("arm64", len(module.CANDIDATES))):
        choose_candidate.cache_clear()
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        assert choose_candidate("cpu") == "embedding_bag"  # the first took the least time
        assert len(tried) == trials


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_trial_takes_time_with_every_candidate() -> None:
    for candidate in module.CANDIDATES.values():
        assert module._trial(candidate, torch.device("cpu")) > 0


def test_weights_and_a_mean_exclude_each_other() -> None:
    csr = random_csr([1], 1)
    with pytest.raises(AssertionError, match="divide a weighted sum"):
        aggregate(states(csr), csr, weight=torch.ones(1), mean=True)


@every_kind
@every_graph
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_table_cut_into_columns_gives_the_same_bits(
    csr: CSR, kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    h, how = states(csr, 70, dtype), arguments(kind, csr)
    whole = aggregate(h, csr, **how)
    monkeypatch.setattr(module, "READS_A_ROW", 0)
    monkeypatch.setattr(module, "CACHE_BYTES", 0)
    assert module.columns_at_once(h, len(csr.col)) == module.LINE_BYTES // h.element_size()
    assert torch.equal(aggregate(h, csr, **how), whole)


def test_a_table_is_cut_where_it_is_large_and_read_often() -> None:
    rows, width = 20_000, 602
    table = torch.empty(rows, 1).expand(rows, width)
    columns = module.columns_at_once(table, 400 * rows)
    assert module.CACHE_BYTES / 2 < rows * columns * 4 <= module.CACHE_BYTES
    assert module.columns_at_once(table, 5 * rows) == width
    assert module.columns_at_once(table.to("meta"), 400 * rows) == width
    assert module.columns_at_once(table[:0], 0) >= 1
