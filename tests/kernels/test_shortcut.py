"""What is called in an operator's place does the same, forward, backward and without values."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from redditgnn.graph.csr import CSR, pointers
from redditgnn.kernels import aggregate, dropout

CSR_OF_FIVE = CSR(
    pointers(torch.tensor([3, 0, 2])), torch.tensor([0, 1, 4, 2, 1], dtype=torch.int32), 5
)
SUMS = (CSR_OF_FIVE.rowptr, CSR_OF_FIVE.col, None, True, *CSR_OF_FIVE.transpose, None)
CALLS = {
    "sums": (aggregate.aggregate_rows, aggregate.operator, SUMS),
    "dropout": (dropout.hashed_dropout, dropout.operator, (torch.tensor(3), 2**15)),
}
each = pytest.mark.parametrize(("call", "operator", "rest"), CALLS.values(), ids=CALLS)


def inputs() -> Tensor:
    return torch.linspace(-1, 1, 35).view(5, 7)


@each
def test_output_and_gradient_are_the_operators(
    call: Callable[..., Tensor], operator: Callable[..., Tensor], rest: tuple
) -> None:
    found = []
    for function in (call, operator):
        h = inputs().requires_grad_()
        out = function(h, *rest)
        out.pow(2).sum().backward()
        found.append((out.detach(), h.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@each
def test_nothing_is_remembered_where_no_gradient_is_wanted(
    call: Callable[..., Tensor], operator: Callable[..., Tensor], rest: tuple
) -> None:
    with torch.no_grad():
        assert call(inputs().requires_grad_(), *rest).grad_fn is None
    assert call(inputs(), *rest).grad_fn is None


@each
def test_without_values_there_are_shapes(
    call: Callable[..., Tensor], operator: Callable[..., Tensor], rest: tuple
) -> None:
    moved = [each.to("meta") if isinstance(each, Tensor) else each for each in rest]
    out = call(inputs().to("meta"), *moved)
    assert out.is_meta
    assert out.shape == call(inputs(), *rest).shape
