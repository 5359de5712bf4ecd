"""Why GraphSAGE is better than GAT: which of four reasons the runs and their diagnoses support.

A reason is a prediction of where the gap, GraphSAGE's score less GAT's, is larger. Each is tested
by a paired t test over runs of equal split and seed, with Holm's correction over all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from redditgnn.report.diagnosis import folders_by_run, read_table
from redditgnn.report.factors import (
    DROPOUT,
    FANOUT,
    HEADS,
    WIDTH,
    Change,
    Comparison,
    by_neighborhood,
    by_setting,
    compare_best,
)
from redditgnn.report.grouping import Group
from redditgnn.report.noise import LEVEL, holm

SUPPORTED, NOT_SUPPORTED = "supported", "not supported by these runs"
OPPOSITE, UNTESTED = "not supported: it is the other way round", "not tested"


class Reason(NamedTuple):
    """A potential reason, whether it is supported, and the numbers that say so."""

    title: str
    verdict: str
    sentences: list[str]


class Question(NamedTuple):
    """The gap of a group, what may be its reasons, and folders of runs still to be diagnosed."""

    gap: str
    reasons: list[Reason]
    undiagnosed: list[Path]

    @property
    def commands(self) -> list[str]:
        """The commands that diagnose the runs of each `results_dir`."""
        by_place = defaultdict[Path, list[str]](list)
        for folder in self.undiagnosed:
            by_place[folder.parents[1]].append(folder.name)
        return [
            f'for run in {" ".join(runs)}; do redditgnn diagnose "$run" results_dir={place}; done'
            for place, runs in by_place.items()
        ]


TITLES = (
    "Sampling: GAT loses more than GraphSAGE where few neighbours are seen",
    "Capacity: GAT needs more heads, or more width, than GraphSAGE",
    "Regularisation: dropout costs GAT more than GraphSAGE",
    "Homophily: attention gains nothing where the neighbours agree",
)


def question_of(group: Group) -> Question | None:
    """Answer for a group, or return None if it has no GraphSAGE and GAT over such settings."""
    best = compare_best(group)
    settings = [by_setting(group, factor) for factor in (FANOUT, HEADS, WIDTH, DROPOUT)]
    if best is None or sum(change.is_varied for change in settings) < 2:
        return None
    degree, homophily = (by_neighborhood(best, name) for name in ("degree", "homophily"))
    fanout, heads, width, dropout = settings
    parts = [[fanout, degree], [heads, width], [dropout], [homophily]]
    corrected = iter(_corrected([change for part in parts for change in part]))
    tested = [[next(corrected) for _ in part] for part in parts]
    reasons = [_judge(title, part) for title, part in zip(TITLES, tested, strict=True)]
    return Question(_describe_gap(best), reasons, list(_undiagnosed(best)))


def _undiagnosed(best: Comparison) -> Iterator[Path]:
    for configuration in best.configurations:
        for folder in folders_by_run(configuration).values():
            if read_table(folder, "degree") is None:
                yield folder


def _corrected(changes: Sequence[Change]) -> list[Change]:
    """Correct the p of all tests for their number."""
    ps = [c.difference.p for c in changes if c.difference and c.difference.p is not None]
    corrected = iter(holm(ps))
    return [
        replace(c, difference=replace(c.difference, p_holm=next(corrected)))
        if c.difference and c.difference.p is not None
        else c
        for c in changes
    ]


def _judge(title: str, changes: Sequence[Change]) -> Reason:
    """Take the strongest verdict: one supported prediction supports the reason."""
    verdicts = [_verdict(change) for change in changes]
    order = (SUPPORTED, OPPOSITE, NOT_SUPPORTED, UNTESTED)
    verdict = min(verdicts, key=order.index)
    return Reason(title, verdict, [*map(_sentence, changes, verdicts)])


def _sentence(change: Change, verdict: str) -> str:
    sentence = change.sentence[:1].upper() + change.sentence[1:]
    if change.difference is None:
        return sentence
    if change.difference.p_holm is None:
        return f"{sentence} Not tested: {change.difference.untested}."
    words = {SUPPORTED: "Beyond noise", OPPOSITE: "Beyond noise", NOT_SUPPORTED: "Within noise"}
    return f"{sentence} {words[verdict]} (p = {change.difference.p_holm:.2g})."


def _verdict(change: Change) -> str:
    difference = change.difference
    if difference is None or difference.p_holm is None or difference.mean is None:
        return UNTESTED
    if difference.p_holm >= LEVEL:
        return NOT_SUPPORTED
    return SUPPORTED if difference.mean > 0 else OPPOSITE


def _describe_gap(best: Comparison) -> str:
    """Say by how much the best GraphSAGE is better than the best GAT, and whether that is noise."""
    difference = best.difference
    text = (
        f"The best GraphSAGE by validation scores {best.scores[0]}, the best GAT {best.scores[1]}"
    )
    if difference.mean is None or difference.p is None:
        return f"{text}; {difference.untested}."
    clear = difference.p < LEVEL
    word = ("better" if difference.mean > 0 else "worse") if clear else "not different beyond noise"
    text = f"{text}: GraphSAGE is {word} (p = {difference.p:.2g}, {difference.seeds} runs each)."
    if clear and difference.mean > 0:
        return text
    return f"{text} So there is no lead to explain, and the reasons say where GAT is weaker."
