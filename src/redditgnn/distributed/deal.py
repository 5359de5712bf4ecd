"""Which batches of an epoch make a step, and which of them a process computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deal:
    """Deals `num_batches` to steps of `batches_per_step`, and each step's to `size` processes.

    The last step has what is left. A process computes neighbouring batches, so that what they add
    up to is a few blocks of `redditgnn.distributed.pairwise`.
    """

    num_batches: int
    batches_per_step: int
    rank: int = 0
    size: int = 1

    def steps(self, first: int) -> Iterator[range]:
        """Yield the batches of each step that the epoch still has; `first` begins a step."""
        for start in range(first, self.num_batches, self.batches_per_step):
            yield range(start, min(start + self.batches_per_step, self.num_batches))

    def share(self, step: range, rank: int) -> range:
        """Return the batches of a step that the process `rank` computes."""
        start, stop = (len(step) * place // self.size for place in (rank, rank + 1))
        return step[start:stop]

    def is_own(self, number: int) -> bool:
        """Whether this process computes the batch of that number in the epoch."""
        start = number - number % self.batches_per_step
        return number in self.share(next(self.steps(start)), self.rank)
