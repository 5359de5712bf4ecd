"""Published numbers of the experiments that a group has runs of."""

from __future__ import annotations

from typing import NamedTuple

from redditgnn.config.experiments import Experiments
from redditgnn.report.grouping import Group
from redditgnn.verify.target import TRUST, Target, target_from


class Published(NamedTuple):
    """A target that is of the data of the group; `model` is that of our configuration."""

    experiment: str
    model: str
    target: Target

    @property
    def told(self) -> str:
        """Say whose number it is, and how far to trust it."""
        spread = "" if self.target.spread is None else f" \N{PLUS-MINUS SIGN} {self.target.spread}"
        return f"{self.target.percent}{spread} %: {self.target.source}; {TRUST[self.target.trust]}"


def published_in(group: Group, experiments: Experiments) -> list[Published]:
    """Return the targets of the experiments among the configurations of `group`.

    Where accuracy and micro-F1 differ, only targets of the latter are of what is drawn.
    """
    models = {c.experiment: c.model for c in group.scored if c.experiment in experiments.names}
    found = []
    for name, model in sorted(models.items()):
        values = experiments.target(name)
        target = None if values is None else target_from(values, name)
        if target is None or not target.applies_to(group.fingerprint):
            continue
        if target.metric == "test_micro_f1" or group.accuracy_is_f1:
            found.append(Published(name, model, target))
    return found
