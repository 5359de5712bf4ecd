"""Statistics of neighbourhoods: the fused pass against stock operators in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from redditgnn.graph.batch import Block
from redditgnn.graph.csr import CSR, pointers
from redditgnn.kernels import aggregate, statistics
from redditgnn.kernels.backend import use_backend
from redditgnn.kernels.statistics import (
    FusedStatistics,
    StockStatistics,
    neighbor_max,
    statistics_of,
)

CPU = torch.device("cpu")
NAMES = ("mean", "mean_square", "largest", "least")
NUM_SRC = 40
DEGREES = {
    "empty rows and a hub": [0, 3, 5_000, 0, 17, 1, 0],
    "no edges": [0, 0],
    "no destinations": [],
    "one edge": [1],
}
every_block = pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES)
every_weight = pytest.mark.parametrize("weight", [None, "edge", "row"])


def block_of(degrees: list[int], weight: str | None = None) -> Block:
    generator = torch.Generator().manual_seed(1)
    counts = torch.tensor(degrees, dtype=torch.int64)
    num_edges = int(counts.sum())
    col = torch.randint(NUM_SRC, (num_edges,), generator=generator).int()
    lengths = {"edge": num_edges, "row": len(degrees)}
    drawn = {} if weight is None else {f"{weight}_scale": torch.rand(lengths[weight])}
    degree = torch.full((NUM_SRC,), 1_000)
    return Block(pointers(counts), col, NUM_SRC, degree, **drawn)


def states(width: int = 11) -> Tensor:
    return torch.randn(NUM_SRC, width, generator=torch.Generator().manual_seed(2))


def in_double(block: Block) -> Block:
    weight = None if block.has_equal_scales else block.edge_scale.double()
    return Block(block.rowptr, block.col, NUM_SRC, block.degree, edge_scale=weight)


@pytest.fixture(params=["whole rows", "few columns at once"])
def _columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "few columns at once":
        monkeypatch.setattr(aggregate, "READS_A_ROW", 0)
        monkeypatch.setattr(aggregate, "CACHE_BYTES", 0)


@every_block
@every_weight
@pytest.mark.parametrize("width", [1, 8, 37])
@pytest.mark.usefixtures("_columns")
def test_values_and_gradients_are_those_of_stock_operators(
    degrees: list[int], weight: str | None, width: int
) -> None:
    block, h = block_of(degrees, weight), states(width).requires_grad_()
    truth = states(width).double().requires_grad_()
    mine, stock = FusedStatistics(h, block), StockStatistics(truth, in_double(block))
    loss, expected = torch.zeros(()), torch.zeros((), dtype=torch.float64)
    for factor, name in enumerate(NAMES, start=1):
        ours, theirs = getattr(mine, name), getattr(stock, name)
        torch.testing.assert_close(ours, theirs.float(), rtol=1e-5, atol=1e-5)
        loss = loss + (ours.sin() * factor).sum()
        expected = expected + (theirs.sin() * factor).sum()
    if degrees:
        loss.backward()
        expected.backward()
        torch.testing.assert_close(h.grad, truth.grad.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_results_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    block, before = block_of([30] * 200), torch.get_num_threads()
    found = []
    for number in (threads, 1):
        torch.set_num_threads(number)
        try:
            h = states(64).requires_grad_()
            out = statistics.fused_statistics(h, block.csr, None)
            out.sin().sum().backward()
        finally:
            torch.set_num_threads(before)
        found.append((out.detach(), h.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.every_python
def test_of_equal_extremes_the_first_gets_the_gradient() -> None:
    block = Block(torch.tensor([0, 3]), torch.tensor([2, 0, 1]).int(), 3, torch.tensor([3, 3, 3]))
    h = torch.tensor([[1.0], [5.0], [5.0]]).requires_grad_()
    FusedStatistics(h, block).largest.sum().backward()
    assert h.grad.tolist() == [[0], [0], [1]]


def test_a_state_that_is_not_a_number_is_not_hidden() -> None:
    block = Block(torch.tensor([0, 2]), torch.tensor([0, 1]).int(), 2, torch.tensor([2, 2]))
    found = FusedStatistics(torch.tensor([[1.0], [float("nan")]]), block)
    assert found.mean.isnan().all()
    assert found.mean_square.isnan().all()


def test_a_maximum_over_no_edges_is_zero() -> None:
    assert torch.equal(neighbor_max(states(), block_of([0] * 30)), torch.zeros(30, 11))


def test_the_pass_is_fused_in_float32_where_the_backend_is_numba() -> None:
    block = block_of([3])
    with use_backend("numba", CPU):
        assert isinstance(statistics_of(states(), block), FusedStatistics)
        assert isinstance(statistics_of(states().double(), block), StockStatistics)
    with use_backend("torch", CPU):
        assert isinstance(statistics_of(states(), block), StockStatistics)


@every_weight
def test_the_operators_are_registered_as_torch_asks(weight: str | None) -> None:
    block = block_of([3, 0, 2, 4], weight)
    csr: CSR = block.csr
    edge_scale = None if block.has_equal_scales else block.edge_scale
    back_weight = None if edge_scale is None else edge_scale[csr.edge_of_transpose]
    back = (*csr.transpose, back_weight)
    h = states().requires_grad_()
    inputs = (h, csr.rowptr, csr.col, edge_scale, *back)
    torch.library.opcheck(statistics.operator, inputs)
    out, picks = statistics.row_statistics(*inputs)
    grad = torch.ones_like(out)
    torch.library.opcheck(statistics.gradient, (grad, h.detach(), picks, *back))


def test_it_compiles_into_one_graph() -> None:
    block = block_of([3, 0, 2])
    inputs = (block.rowptr, block.col, None, *block.csr.transpose, None)

    def doubled(h: Tensor) -> Tensor:
        return statistics.row_statistics(2 * h, *inputs)[0].relu()

    results = []
    for function in (doubled, torch.compile(doubled, backend="aot_eager", fullgraph=True)):
        h = states().requires_grad_()
        out = function(h)
        out.sum().backward()
        results.append((out.detach(), h.grad))
    torch.testing.assert_close(*results)


def test_nothing_is_transposed_where_no_gradient_is_wanted() -> None:
    block = block_of([3, 0, 2])
    statistics.fused_statistics(states(), block.csr, None)
    with torch.no_grad():
        statistics.fused_statistics(states().requires_grad_(), block.csr, None)
    assert "transpose" not in vars(block.csr)
