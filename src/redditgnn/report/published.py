"""Published numbers of the experiments in a group."""

from __future__ import annotations

from typing import NamedTuple

from redditgnn.config.experiments import Experiments
from redditgnn.report.grouping import Group
from redditgnn.verify.target import TRUST, Target, target_from


class PublishedScore(NamedTuple):
    """A target on the data of the group; `model` is that of our configuration."""

    experiment: str
    model: str
    target: Target

    @property
    def description(self) -> str:
        """The number, its source, and how far to trust it."""
        spread = "" if self.target.spread is None else f" \N{PLUS-MINUS SIGN} {self.target.spread}"
        return f"{self.target.percent}{spread} %: {self.target.source}; {TRUST[self.target.trust]}"


def find_published(group: Group, experiments: Experiments) -> list[PublishedScore]:
    """Return the targets of those experiments that have runs in `group`.

    If accuracy and micro-F1 differ, only targets in micro-F1 count, because plots show that.
    """
    models = {c.experiment: c.model for c in group.scored if c.experiment in experiments.names}
    scores = []
    for name, model in sorted(models.items()):
        values = experiments.target(name)
        target = None if values is None else target_from(values, name)
        if target is None or not target.applies_to(group.fingerprint):
            continue
        if target.metric == "test_micro_f1" or group.accuracy_is_f1:
            scores.append(PublishedScore(name, model, target))
    return scores
