"""Exact inference whose chunks several processes share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from redditgnn.distributed.deal import Deal
from redditgnn.distributed.team import Team
from redditgnn.evaluation.exact import Chunk, ExactInference
from redditgnn.model.base import LayeredModel


class SharedInference(ExactInference):
    """Gives every process of `team` the logits of all nodes, with the bits of one process.

    Rank 0 decides the bounds of the chunks, whatever the number of processes. A graph that fits is
    one chunk, which nobody can share.
    """

    def __init__(self, *arguments: Any, team: Team, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._team, self._limits = team, list[int | None]()

    def is_shared(self, model: LayeredModel) -> bool:
        """Whether there are chunks to share. All processes must ask, at least the first time."""
        return self.most_edges(model) is not None

    def most_edges(self, model: LayeredModel) -> int | None:
        """Return how many edges rank 0 would compute at once; None: all."""
        if not self._limits:
            self._limits.append(self._team.broadcast(super().most_edges(model)))
        return self._limits[0]

    def _rows(self, chunks: list[Chunk], compute: Callable[[Chunk], Tensor]) -> Tensor:
        if len(chunks) == 1:
            return super()._rows(chunks, compute)
        team, count = self._team, len(chunks)
        share = Deal(count, count, team.rank, team.size).share(range(count), team.rank)
        own = chunks[share.start : share.stop]
        rows = super()._rows(own or chunks[:1], compute)  # for its width, where there is none
        return torch.cat(team.gather(rows if own else rows[:0]))
