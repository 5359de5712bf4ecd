"""Published numbers of the experiments in a group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from redditgnn.config.experiments import Experiments
from redditgnn.report.grouping import Group
from redditgnn.verify.repetitions import count_runs
from redditgnn.verify.target import TRUST, Target, target_from
from redditgnn.verify.verdict import judge, sample_of


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


class Judgement(NamedTuple):
    """The name of a verdict on a published number, and whether ours is as good."""

    name: str
    is_met: bool


def find_published(group: Group, experiments: Experiments) -> list[PublishedScore]:
    """Return the targets of those experiments that have runs in `group`.

    Only targets in the metric that plots show count, and those in a metric that equals it.
    """
    scores = _published_scores(group, experiments)
    shown = {f"test_{name}" for name in group.main_metrics}
    return [score for score in scores if score.target.metric in shown]


def judge_published(group: Group, experiments: Experiments) -> dict[str, Judgement]:
    """Judge the published number of each experiment that has runs in `group`.

    As in `redditgnn verify`, only runs with the settings of the experiment count, and a recalled
    number gets no verdict.
    """
    verdicts: dict[str, Judgement] = {}
    for name, _, target in _published_scores(group, experiments):
        if target.is_recalled:
            continue
        hashes = target.config_hashes(experiments.compose(name)[0])
        runs = pd.concat([c.runs[c.runs.config_hash.isin(hashes)] for c in group.scored])
        runs = runs[runs[target.metric].notna()]
        if len(runs):
            verdict = judge(sample_of(list(100 * runs[target.metric])), target.published)
            place = verdict, count_runs(runs).splits
            verdicts[name] = Judgement(target.name_of(*place), target.is_met_by(*place))
    return verdicts


def _published_scores(group: Group, experiments: Experiments) -> Iterator[PublishedScore]:
    names = set(experiments.names)
    models = {c.experiment: c.model for c in group.scored if c.experiment in names}
    for name, model in sorted(models.items()):
        values = experiments.target(name)
        target = None if values is None else target_from(values, name)
        if target is not None and all(map(target.applies_to, _fingerprints(group, name))):
            yield PublishedScore(name, model, target)


def _fingerprints(group: Group, experiment: str) -> set[str]:
    return {text for c in group.scored if c.experiment == experiment for text in c.runs.fingerprint}
