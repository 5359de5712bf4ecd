"""Sums in an order of their own, and how batches are dealt."""

from __future__ import annotations

import pytest
import torch

from redditgnn.distributed.deal import Deal
from redditgnn.distributed.pairwise import Block, PairwiseSum, blocks_of


def summed(terms: list[torch.Tensor], shares: list[range]) -> torch.Tensor:
    """Add up the terms of each share, and then the blocks of all shares."""
    whole = PairwiseSum()
    for share in shares:
        own = PairwiseSum()
        for number in share:
            own.add(Block(number, 1, terms[number]))
        assert [(block.start, block.size) for block in own.blocks] == list(blocks_of(share))
        for block in own.blocks:
            whole.add(block)
    return whole.total()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13])
def test_any_division_of_the_terms_gives_the_same_bits(count):
    generator = torch.Generator().manual_seed(count)
    terms = [torch.randn(50, generator=generator) * 10.0**n for n in range(count)]
    alone = summed(terms, [range(count)])
    assert torch.allclose(alone.double(), torch.stack(terms).double().sum(0), rtol=1e-5)
    for size in range(1, count + 3):
        deal = Deal(count, count, 0, size)
        shares = [deal.share(range(count), rank) for rank in range(size)]
        assert torch.equal(summed(terms, shares), alone)


@pytest.mark.parametrize(("num_batches", "batches_per_step"), [(7, 4), (8, 4), (3, 5), (1, 2)])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_batch_of_an_epoch_belongs_to_one_process(num_batches, batches_per_step, size):
    deals = [Deal(num_batches, batches_per_step, rank, size) for rank in range(size)]
    own = [[n for n in range(num_batches) if deal.is_own(n)] for deal in deals]
    assert sorted(sum(own, [])) == list(range(num_batches))
    for step in deals[0].steps(0):
        loads = [len(deal.share(step, deal.rank)) for deal in deals]
        assert sum(loads) == len(step) <= batches_per_step
        assert max(loads) - min(loads) <= 1


def test_steps_resume_after_those_that_were_taken():
    assert list(Deal(7, 3).steps(3)) == [range(3, 6), range(6, 7)]
