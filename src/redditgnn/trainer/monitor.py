"""Which epoch of a training is its best, and when to stop waiting for a better one."""

from __future__ import annotations

from redditgnn.errors import require
from redditgnn.metric.base import METRICS
from redditgnn.record.rows import EpochRow

LOSS = "val_loss"
AND_LOSS = "_and_loss"
CRITERIA = (LOSS, *(f"val_{metric.name}{end}" for end in ("", AND_LOSS) for metric in METRICS))


def check_criterion(criterion: str) -> None:
    """Refuse a `trainer.monitor` that is none of `CRITERIA`.

    Raises:
        ConfigError: names them.
    """
    options = " or ".join(CRITERIA)
    require(criterion in CRITERIA, f"trainer.monitor must be {options}, got {criterion!r}")


class Monitor:
    """Watches the validation scores of one training.

    `criterion` is one of `CRITERIA`. With a metric, the best epoch has the best score, and of equal
    ones, which small validation sets have many of, the lowest loss. With `val_loss` it has the
    lowest loss, of equal ones the first. With a metric and the loss it is the last epoch that had
    neither a better score nor a better loss before it, and patience lasts while either is equalled
    or improved, as in the code of GAT (Velickovic et al. 2018, section 3.3).

    Attributes:
        best: The best epoch so far.
    """

    def __init__(self, criterion: str, patience: int | None) -> None:
        name = criterion.removeprefix("val_").removesuffix(AND_LOSS)
        self._metric = next((metric for metric in METRICS if metric.name == name), None)
        self._needs_both = criterion.endswith(AND_LOSS)
        self._patience = patience
        self._highest, self._lowest = float("-inf"), float("inf")
        self._stale = 0
        self.best: EpochRow | None = None

    @property
    def is_over(self) -> bool:
        """Whether there were `patience` evaluations without improvement."""
        return self._stale == self._patience

    def is_best(self, row: EpochRow) -> bool:
        """Take notice of an epoch; return whether it is the best so far."""
        if row.val_loss is None:
            return False
        score = self._score(row)
        holds = score >= self._highest, row.val_loss <= self._lowest
        if self._needs_both:
            is_best, improves = all(holds), any(holds)
        else:
            is_best = improves = self.best is None or self._merit(row) > self._merit(self.best)
        self._highest = max(self._highest, score)
        self._lowest = min(self._lowest, row.val_loss)
        self._stale = 0 if improves else self._stale + 1
        if is_best:
            self.best = row
        return is_best

    def _score(self, row: EpochRow) -> float:
        """Return the score, negative if less is better; of the loss alone, always 0."""
        if self._metric is None or row.val is None:
            return 0.0
        score = row.val[self._metric.name]
        return score if self._metric.higher_is_better else -score

    def _merit(self, row: EpochRow) -> tuple[float, float]:
        assert row.val_loss is not None
        return self._score(row), -row.val_loss
