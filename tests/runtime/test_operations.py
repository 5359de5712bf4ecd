"""Operations of matrix products and bytes of operands are counted as formulas have them."""

from __future__ import annotations

import torch

from redditgnn.runtime.operations import OperationCount
from redditgnn.runtime.peaks import measure_peaks


def test_a_product_counts_two_operations_a_pair_and_each_operand_once():
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    with OperationCount() as count:
        a @ b
    assert count.flop == 2 * 3 * 5 * 7
    assert count.bytes == 4 * (3 * 5 + 5 * 7 + 3 * 7)


def test_an_operand_that_is_read_twice_in_one_call_counts_once():
    a = torch.ones(6, dtype=torch.float64)
    with OperationCount() as count:
        a * a
    assert (count.flop, count.bytes) == (0, 8 * (6 + 6))


def test_views_move_nothing():
    a = torch.ones(6, 4)
    with OperationCount() as count:
        a.t()[1:].unsqueeze(0)
    assert count.bytes == 0


def test_a_backward_pass_is_counted_too():
    weight = torch.ones(4, 2, requires_grad=True)
    loss = (torch.ones(8, 4) @ weight).sum()
    with OperationCount() as count:
        loss.backward()
    assert count.flop == 2 * 4 * 8 * 2  # the gradient of the weight alone


def test_a_machine_multiplies_and_copies():
    peaks = measure_peaks(torch.device("cpu"), torch.float32)
    assert peaks.flop > peaks.bytes > 0
