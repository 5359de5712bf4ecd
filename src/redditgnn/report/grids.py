"""Heat maps of two swept settings, and of sampler against model.

A cell is never an average. If several configurations share it, it shows the one with the best
validation score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redditgnn.report.cells import mean_and_spread, score_name
from redditgnn.report.grouping import Configuration, Group
from redditgnn.report.plots import Grid, Missing, slug_of
from redditgnn.report.settings import (
    describe_settings,
    short_names,
    sweeps,
    swept_pairs,
    value_of,
    varying_keys,
)

MOST_PAIRS = 15  # six swept settings
HEAT_MAP, MATRIX = "Heat maps of sweeps", "Sampler against model"


def heat_maps_of(group: Group, keys: Sequence[str]) -> Iterator[Grid | Missing]:
    """Yield a map for each pair of numeric settings that a sweep of one model and sampler crosses.

    It yields the first `MOST_PAIRS` in alphabetical order.
    """
    is_empty = True
    for sweep in sweeps(group.scored).values():
        pairs = swept_pairs(sweep)
        for pair in pairs[:MOST_PAIRS]:
            is_empty = False
            yield _build_heat_map(group, keys, sweep, *pair)
        if len(pairs) > MOST_PAIRS:
            yield Missing(HEAT_MAP, f"{len(pairs) - MOST_PAIRS} more pairs were swept")
    if is_empty:
        yield Missing(HEAT_MAP, "no two numeric settings were swept against each other")


def matrix_of(group: Group, keys: Sequence[str]) -> Grid | Missing:
    """Return the best score of each model with each sampler."""
    if len(sweeps(group.scored)) < 2:
        return Missing(MATRIX, "there is one model with one sampler, or no completed run")
    return Grid(
        slug=slug_of(group.name, "matrix"),
        title=MATRIX,
        sentence=(
            f"Mean test {score_name(group)} in percent on {group.name} for each sampler (rows) and "
            "model (columns): of several configurations the best by validation; empty where none "
            "was run."
        ),
        x_title="model",
        y_title="sampler",
        **_grid_cells(group, group.scored, keys, lambda c: c.model, lambda c: c.sampler),
    )


def _build_heat_map(
    group: Group, keys: Sequence[str], sweep: Sequence[Configuration], x: str, y: str
) -> Grid:
    names = short_names([x, y])
    model, sampler = sweep[0].names
    others = [key for key in varying_keys(sweep).swept if key not in (x, y)]
    short = short_names(others)
    note = (
        f"; {', '.join(short[key] for key in others)} chosen in each cell by validation score"
        if others
        else ""
    )
    return Grid(
        slug=slug_of(group.name, model, sampler, names[x], names[y]),
        title=f"{model}, {sampler}: {names[x]} and {names[y]}",
        sentence=(
            f"Mean test {score_name(group)} in percent of {model} with {sampler} on {group.name} "
            f"for each {names[x]} and {names[y]}{note}; nothing is averaged over settings."
        ),
        x_title=names[x],
        y_title=names[y],
        **_grid_cells(group, sweep, keys, lambda c: value_of(c, x), lambda c: value_of(c, y)),
    )


def _grid_cells(
    group: Group,
    configurations: Sequence[Configuration],
    keys: Sequence[str],
    column_of: Callable[[Configuration], Any],
    row_of: Callable[[Configuration], Any],
) -> dict[str, Any]:
    """Lay out the test scores of the first in each cell; the best by validation come first."""
    columns = sorted({column_of(c) for c in configurations})
    rows = sorted({row_of(c) for c in configurations})
    best: dict[tuple[Any, Any], Configuration] = {}
    for configuration in configurations:
        best.setdefault((row_of(configuration), column_of(configuration)), configuration)
    scores = [score for c in configurations if (score := _test_percent(group, c)) is not None]
    cells = [[best.get((row, column)) for column in columns] for row in rows]
    return {
        "columns": [str(column) for column in columns],
        "rows": [str(row) for row in rows],
        "values": [[_test_percent(group, cell) for cell in line] for line in cells],
        "low": min(scores),  # of a whole sweep, whose maps share their colours
        "high": max(scores),
        "texts": [[_hover_text(group, cell, keys) for cell in line] for line in cells],
    }


def _test_percent(group: Group, configuration: Configuration | None) -> float | None:
    sample = configuration.sample(group.test_score) if configuration else None
    return None if sample is None else round(100 * sample.mean, 2)


def _hover_text(group: Group, configuration: Configuration | None, keys: Sequence[str]) -> str:
    if configuration is None:
        return ""
    test = configuration.sample(group.test_score)
    count = configuration.run_count
    lines = (
        ", ".join(configuration.names),
        describe_settings(configuration, keys),
        f"test {mean_and_spread(test)} %, n={count}",
        f"val {mean_and_spread(configuration.sample(group.val_score))} %",
    )
    return "\n".join(line for line in lines if line)
