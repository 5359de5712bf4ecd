"""Sums whose order of additions depends on the number of terms alone, not on who has which.

Floating-point sums depend on their order. Here the terms are the leaves of a binary tree: two
neighbouring blocks of 2^n terms, the first of which starts at a multiple of 2^(n+1), become one.
Whoever has neighbouring terms adds up the blocks that they fill, and passes those on. So one
process and several of them get the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor


class Block(NamedTuple):
    """The sum of `size` neighbouring terms from `start` on. `size` is a power of two."""

    start: int
    size: int
    total: Tensor

    def is_followed_by(self, other: Block) -> bool:
        """Whether both are the halves of a larger block."""
        follows = self.start + self.size == other.start
        return follows and self.size == other.size and self.start % (2 * self.size) == 0


class PairwiseSum:
    """Adds up terms or blocks, which come in ascending order.

    Attributes:
        blocks: The fewest blocks that hold all terms so far.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def add(self, block: Block) -> None:
        """Add a block. It may be a single term."""
        while self.blocks and self.blocks[-1].is_followed_by(block):
            first = self.blocks.pop()
            block = Block(first.start, 2 * first.size, first.total + block.total)
        self.blocks.append(block)

    def total(self) -> Tensor:
        """Return the sum of all terms."""
        first, *others = (block.total for block in self.blocks)
        for other in others:
            first = first + other
        return first


def blocks_of(terms: range) -> Iterator[tuple[int, int]]:
    """Yield start and size of the blocks that the sum of neighbouring terms consists of."""
    start = terms.start
    while start < terms.stop:
        size = 1
        while start % (2 * size) == 0 and start + 2 * size <= terms.stop:
            size *= 2
        yield start, size
        start += size
