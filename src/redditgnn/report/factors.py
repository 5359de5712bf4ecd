"""How the gap between GraphSAGE and GAT changes with a setting, or with the neighbourhood."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from redditgnn.report.cells import mean_and_spread
from redditgnn.report.diagnosis import folders_by_run, read_table
from redditgnn.report.grouping import Configuration, Group
from redditgnn.report.noise import Difference, compare

SAGE, GAT = "sage", "gat"
Run = tuple[str, str]  # split and seed
Scores = dict[Run, float]


class Factor(NamedTuple):
    """A setting: `others` change with it, and the gap should be larger at its `worse` end.

    `models` are those that have it.
    """

    key: str
    name: str
    others: tuple[str, ...]
    worse: int  # 0: the lowest value, -1: the highest
    models: tuple[str, ...]


FANOUT = Factor("sampler.num_neighbors", "sampled neighbours", (), 0, (SAGE, GAT))
HEADS = Factor("model.heads", "heads", (), 0, (GAT,))
WIDTH = Factor("model.hidden_channels", "hidden channels", (), 0, (SAGE, GAT))
DROPOUT = Factor("model.dropout", "dropout", ("model.attention_dropout",), -1, (SAGE, GAT))


@dataclass(frozen=True, kw_only=True)
class Change:
    """The gap where a reason predicts that it is larger, less the gap elsewhere.

    `is_varied`: there are runs to compare, though perhaps too few for a test.
    """

    sentence: str
    difference: Difference | None = None
    is_varied: bool = False


class Comparison(NamedTuple):
    """The best configuration by validation of GraphSAGE and of GAT."""

    configurations: tuple[Configuration, Configuration]
    scores: tuple[str, str]
    difference: Difference


def compare_best(group: Group) -> Comparison | None:
    """Compare the best of both, None if one of them has none."""
    best = [next((c for c in group.scored if c.model == model), None) for model in (SAGE, GAT)]
    sage, gat = best
    if sage is None or gat is None:
        return None
    scores = tuple(mean_and_spread(c.sample(group.test_score)) for c in (sage, gat))
    (difference,) = compare(gat.by_run(group.test_score), [sage.by_run(group.test_score)], "run")
    return Comparison((sage, gat), (scores[0], scores[1]), difference)


def by_setting(group: Group, factor: Factor) -> Change:
    """Compare the gap at both ends of a setting, as means over all others that were crossed."""
    values = [_values(group, model, factor) for model in factor.models]
    common = [value for value in values[0] if all(value in other for other in values)]
    if len(common) < 2:
        return Change(sentence=f"{factor.name}: the models do not have two values in common.")
    worse = common[factor.worse]
    better = common[-1 - factor.worse]
    losses = {m: _losses(group, m, factor, (worse, better)) for m in factor.models}
    sage, gat = losses.get(SAGE), losses[GAT]
    at = f"{factor.name} {_text(worse)} instead of {_text(better)}"
    if not gat or sage == {}:
        return Change(sentence=f"{at}: no run has both, with all else equal.", is_varied=True)
    (difference,) = compare(sage or dict.fromkeys(gat, 0.0), [gat], "run")
    said = [("GraphSAGE", sage), ("GAT", gat)]
    texts = [f"{name} {_points(-_mean(loss))}" for name, loss in said if loss is not None]
    return _change(f"{at}: {', '.join(texts)}", difference)


def by_neighborhood(best: Comparison, name: str) -> Change:
    """Compare the gap of both best configurations between two halves of the diagnosed nodes.

    The halves are nodes of low and high degree, or with few and many neighbours of their class. The
    gap should be larger at low degree, and at high homophily.
    """
    tables = [_tables(configuration, name) for configuration in best.configurations]
    runs = [run for run in tables[0] if run in tables[1]]
    if not runs:
        return Change(sentence=f"{name}: no runs of both that are diagnosed have a seed in common.")
    first = tables[0][runs[0]]
    halves = _halves(first, name)
    if halves is None:
        return Change(sentence=f"{name}: the nodes do not differ in it.")
    gaps: list[Scores] = [
        {run: _accuracy(tables[0][run], half) - _accuracy(tables[1][run], half) for run in runs}
        for half in halves
    ]
    more, less = gaps if name == "degree" else gaps[::-1]
    (difference,) = compare(less, [more], "run")
    low, high = (", ".join(first[name].iloc[half]) for half in halves)
    texts = [
        f"{_points(_mean(gap))} at {part}" for gap, part in zip(gaps, (low, high), strict=True)
    ]
    return _change(f"{name}: GraphSAGE beside GAT {' and '.join(texts)}", difference)


def _change(text: str, difference: Difference) -> Change:
    interval = difference.interval
    if difference.mean is None or interval is None:
        return Change(sentence=f"{text}; {difference.untested}.", is_varied=True)
    spread = f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"
    return Change(
        sentence=f"{text}. The gap changes by {_points(difference.mean)} ({spread}, "
        f"{difference.seeds} runs).",
        difference=difference,
        is_varied=True,
    )


def _values(group: Group, model: str, factor: Factor) -> list[Any]:
    """Return the values of a setting that a model ran with, from the lowest."""
    values = {
        json.dumps(c.hyperparameters[factor.key]): c.hyperparameters[factor.key]
        for c in group.scored
        if c.model == model and factor.key in c.hyperparameters
    }
    return sorted(values.values(), key=_size)


def _size(value: Any) -> float:
    """Return a number to sort by: of sampled neighbours how many nodes they are, all if -1."""
    if isinstance(value, list):
        return sum(float("inf") if number < 0 else float(number) for number in value)
    return float(value)


def _losses(group: Group, model: str, factor: Factor, ends: tuple[Any, Any]) -> Scores:
    """Return by run how much less a model scores at the first end than at the second.

    It is the mean over what else was varied, of the runs that have all of it.
    """
    sides = [_by_rest(group, model, factor, end) for end in ends]
    pairs = [(sides[0][rest], sides[1][rest]) for rest in sides[0] if rest in sides[1]]
    runs = [
        run for run in (pairs[0][0] if pairs else ()) if all(run in s for p in pairs for s in p)
    ]
    return {
        run: sum(second[run] - first[run] for first, second in pairs) / len(pairs) for run in runs
    }


def _by_rest(group: Group, model: str, factor: Factor, value: Any) -> dict[str, Scores]:
    """Return the scores of the configurations with this value, by all their other settings."""
    ignored = (factor.key, *factor.others)
    scores: dict[str, Scores] = {}
    for c in group.scored:
        if c.model == model and c.hyperparameters.get(factor.key) == value:
            rest = {key: v for key, v in c.hyperparameters.items() if key not in ignored}
            scores[json.dumps([c.sampler, rest], sort_keys=True)] = c.by_run(group.test_score)
    return scores


def _tables(configuration: Configuration, name: str) -> dict[Run, pd.DataFrame]:
    folders = folders_by_run(configuration)
    read = {run: read_table(folder, name) for run, folder in folders.items()}
    return {run: table for run, table in read.items() if table is not None}


def _halves(table: pd.DataFrame, name: str) -> tuple[slice, slice] | None:
    """Cut the bins where it divides the nodes most evenly. Those of unknown homophily come last."""
    known = table[table[name] != "unknown"]
    if len(known) < 2:
        return None
    before = known.nodes.cumsum()[:-1]
    cut = int((before - known.nodes.sum() / 2).abs().to_numpy().argmin()) + 1
    return slice(0, cut), slice(cut, len(known))


def _accuracy(table: pd.DataFrame, half: slice) -> float:
    rows = table.iloc[half]
    return float((rows.accuracy * rows.nodes).sum() / rows.nodes.sum())


def _mean(scores: Mapping[Run, float]) -> float:
    return sum(scores.values()) / len(scores)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"
