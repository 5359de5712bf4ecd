"""Which epoch of a training is its best, and when to stop waiting for a better one."""

from __future__ import annotations

from typing import Literal

from redditgnn.record.rows import EpochRow

Criterion = Literal["val_micro_f1", "val_loss", "val_micro_f1_and_loss"]


class Monitor:
    """Watches the validation scores of one training.

    The best epoch has the highest micro-F1, and of equal ones, which small validation sets have
    many of, the lowest loss; or the lowest loss, of equal ones the first. Or, as GAT's authors
    have it (Velickovic et al. 2018, section 3.3), it is the last one that neither had a better
    score before it nor a better loss, and patience lasts while either is equalled or improved.

    Attributes:
        best: The best epoch so far.
    """

    def __init__(self, criterion: Criterion, patience: int | None) -> None:
        self._criterion, self._patience = criterion, patience
        self._highest, self._lowest = float("-inf"), float("inf")
        self._stale = 0
        self.best: EpochRow | None = None

    @property
    def is_over(self) -> bool:
        """Whether there were `patience` evaluations without improvement."""
        return self._stale == self._patience

    def is_best(self, row: EpochRow) -> bool:
        """Take notice of an epoch; return whether it is the best so far."""
        if row.val_loss is None or row.val_micro_f1 is None:
            return False
        holds = row.val_micro_f1 >= self._highest, row.val_loss <= self._lowest
        if self._criterion == "val_micro_f1_and_loss":
            is_best, improves = all(holds), any(holds)
        else:
            is_best = improves = self.best is None or self._merit(row) > self._merit(self.best)
        self._highest = max(self._highest, row.val_micro_f1)
        self._lowest = min(self._lowest, row.val_loss)
        self._stale = 0 if improves else self._stale + 1
        if is_best:
            self.best = row
        return is_best

    def _merit(self, row: EpochRow) -> tuple[float, ...]:
        assert row.val_loss is not None
        assert row.val_micro_f1 is not None
        if self._criterion == "val_loss":
            return (-row.val_loss,)
        return row.val_micro_f1, -row.val_loss
