"""Running statistics of batch normalisation over a step of several batches.

Each batch is normalised by its own mean and variance, as on one process. The running statistics
move by a share of every batch's, one batch after another. That is a weighted sum, so each process
adds up its own batches, with the weights that their places in the step give.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from redditgnn.distributed.batch_norm import TeamBatchNorm


class RunningStatistics:
    """The running means and variances of a model as one vector.

    Attributes:
        size: The length of the vector.
    """

    def __init__(self, model: nn.Module) -> None:
        modules = (module for module in model.modules() if isinstance(module, _BatchNorm))
        # What is normalised over the rows of all ranks has the same statistics everywhere.
        own = (norm for norm in modules if not isinstance(norm, TeamBatchNorm))
        self._norms = [norm for norm in own if norm.track_running_stats]
        self.size = sum(buffer.numel() for _, buffer in self._buffers())
        self._before: list[Tensor] = []
        self._counts: list[int] = []
        self._num_batches = 0

    def begin(self, num_batches: int) -> None:
        """Remember the statistics before a step of so many batches."""
        self._num_batches = num_batches
        self._before = [buffer.clone() for _, buffer in self._buffers()]
        self._counts = [_batches_tracked(norm) for norm in self._norms]

    def prepare(self, place: int) -> None:
        """Have the next forward pass, of the batch at `place` in the step, leave only its share."""
        for number, buffer in self._buffers():
            buffer.data.zero_()  # autograd would refuse backward passes of batches before this one
            self._set_count(number, place)

    def share(self, place: int) -> list[Tensor]:
        """Return what the batch at `place` adds to the statistics after the step."""
        return [buffer * self._weight(number, place) for number, buffer in self._buffers()]

    def finish(self, total: Tensor) -> None:
        """Set the statistics after the step, of which `total` is the sum of all shares."""
        sizes = [buffer.numel() for buffer in self._before]
        pieces = zip(self._buffers(), self._before, total.split(sizes), strict=True)
        for (number, buffer), before, share in pieces:
            buffer.copy_(before * self._weight(number, -1) + share)
            self._set_count(number, self._num_batches)

    def _buffers(self) -> Iterator[tuple[int, Tensor]]:
        """Yield every vector of statistics, and the number of the module that has it."""
        for number, norm in enumerate(self._norms):
            for buffer in (norm.running_mean, norm.running_var):
                assert buffer is not None
                yield number, buffer

    def _set_count(self, number: int, place: int) -> None:
        count = self._norms[number].num_batches_tracked
        assert count is not None
        count.fill_(self._counts[number] + place)

    def _weight(self, number: int, place: int) -> float:
        """Return the share that is left of the batch at `place` after all later ones."""
        momentum, count = self._norms[number].momentum, self._counts[number]
        later = range(place + 1, self._num_batches)
        # Without a momentum the statistics are means over all batches so far.
        moved = (1 / (count + p + 1) if momentum is None else momentum for p in later)
        return prod((1 - share for share in moved), start=1.0)


def _batches_tracked(norm: _BatchNorm) -> int:
    assert norm.num_batches_tracked is not None
    return int(norm.num_batches_tracked)
