"""Hashed dropout: its statistics, its gradient, its seed."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from redditgnn.kernels.dropout import dropout, operator


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_is_p_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    out = dropout(torch.ones(1000, 403), p, training=True)
    zeros = int((out == 0).sum())
    assert stats.binomtest(zeros, out.numel(), p).pvalue > 1e-4
    kept = out[out > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-4, atol=0)


def test_neighbouring_elements_are_independent() -> None:
    torch.manual_seed(0)
    kept = dropout(torch.ones(400_000), 0.5, training=True) > 0
    for shift in (1, 2, 3, 4, 64, 500):
        agree = int((kept[shift:] == kept[:-shift]).sum())
        assert stats.binomtest(agree, len(kept) - shift, 0.5).pvalue > 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.every_python
def test_the_gradient_passes_where_the_value_did(dtype: torch.dtype) -> None:
    x = torch.randn(37, 11, dtype=dtype).requires_grad_()
    out = dropout(x.T, 0.4, training=True)  # not contiguous
    out.sum().backward()
    assert torch.equal(x.grad.T * x.T, out)


def test_the_seed_decides_and_evaluation_is_the_identity() -> None:
    x = torch.randn(100)
    runs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        runs.append(dropout(x, 0.5, training=True))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x


def test_what_is_shared_out_to_threads_gives_the_same_bits() -> None:
    x = torch.ones(2_500_003)
    torch.manual_seed(0)
    out = dropout(x, 0.5, training=True)
    torch.manual_seed(0)
    assert torch.equal(dropout(x[:999_999], 0.5, training=True), out[:999_999])
    assert stats.binomtest(int((out == 0).sum()), out.numel(), 0.5).pvalue > 1e-4


def test_nothing_at_all_stays_nothing() -> None:
    assert dropout(torch.empty(0, 5), 0.5, training=True).shape == (0, 5)


def test_the_operator_obeys_the_rules_of_torch_library() -> None:
    x = torch.randn(5, 7, requires_grad=True)
    torch.library.opcheck(operator, (x, torch.tensor(3), 2**15))
