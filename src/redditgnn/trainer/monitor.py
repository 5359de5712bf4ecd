"""Which epoch of a training is its best, and when to stop waiting for a better one."""

from __future__ import annotations

from redditgnn.errors import ConfigError, require
from redditgnn.metric.base import AND_LOSS, CRITERIA, LOSS, monitored_metric
from redditgnn.record.rows import EpochRow


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
        metric: What the criterion names, micro-F1 where it is the loss.
        best: The best epoch so far.
    """

    def __init__(self, criterion: str, patience: int | None) -> None:
        self.metric = monitored_metric(criterion)
        self._criterion, self._patience = criterion, patience
        self._highest, self._lowest = float("-inf"), float("inf")
        self._stale = 0
        self.best: EpochRow | None = None

    @property
    def is_over(self) -> bool:
        """Whether there were `patience` evaluations without improvement."""
        return self._stale == self._patience

    def is_best(self, row: EpochRow) -> bool:
        """Take notice of an epoch; return whether it is the best so far.

        Raises:
            ConfigError: the metric is not defined on the validation nodes.
        """
        if row.val_loss is None:
            return False
        score = self._score(row)
        holds = score >= self._highest, row.val_loss <= self._lowest
        if self._criterion.endswith(AND_LOSS):
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
        if self._criterion == LOSS or row.val is None:
            return 0.0
        if self.metric.name not in row.val:
            raise ConfigError(
                f"trainer.monitor={self._criterion} is not defined on the validation nodes, which "
                "need two classes at least; use trainer.monitor=val_loss, or another split"
            )
        return self.metric.merit(row.val[self.metric.name])

    def _merit(self, row: EpochRow) -> tuple[float, float]:
        assert row.val_loss is not None
        return self._score(row), -row.val_loss
