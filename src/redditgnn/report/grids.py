"""Heat maps of two swept settings, and of sampler against model; a cell is never an average.

Where several configurations share a cell, it shows the one with the best validation score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redditgnn.report.cells import mean_and_spread, score_name
from redditgnn.report.grouping import Configuration, Group
from redditgnn.report.plots import Grid, Missing, slug_of
from redditgnn.report.settings import short_names, sweeps, swept_pairs, told, value_of, varied

MOST_PAIRS = 15  # six swept settings
HEAT_MAP, MATRIX = "Heat maps of sweeps", "Sampler against model"


def heat_maps_of(group: Group, named: Sequence[str]) -> Iterator[Grid | Missing]:
    """Yield a map for each pair of numeric settings that a sweep of one model and sampler crosses.

    Of more than `MOST_PAIRS` the first are drawn, in alphabetical order.
    """
    has_any = False
    for sweep in sweeps(group.scored).values():
        pairs = swept_pairs(sweep)
        for pair in pairs[:MOST_PAIRS]:
            has_any = True
            yield _heat_map(group, named, sweep, *pair)
        if len(pairs) > MOST_PAIRS:
            yield Missing(HEAT_MAP, f"{len(pairs) - MOST_PAIRS} more pairs were swept")
    if not has_any:
        yield Missing(HEAT_MAP, "no two numeric settings were swept against each other")


def matrix_of(group: Group, named: Sequence[str]) -> Grid | Missing:
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
        **_cells(group.scored, named, lambda c: c.model, lambda c: c.sampler),
    )


def _heat_map(
    group: Group, named: Sequence[str], sweep: Sequence[Configuration], x: str, y: str
) -> Grid:
    names = short_names([x, y])
    model, sampler = sweep[0].names
    others = [key for key in varied(sweep).named if key not in (x, y)]
    short = short_names(others)
    chosen = (
        f"; {', '.join(short[key] for key in others)} chosen in each cell by validation score"
        if others
        else ""
    )
    return Grid(
        slug=slug_of(group.name, model, sampler, names[x], names[y]),
        title=f"{model}, {sampler}: {names[x]} and {names[y]}",
        sentence=(
            f"Mean test {score_name(group)} in percent of {model} with {sampler} on {group.name} "
            f"for each {names[x]} and {names[y]}{chosen}; nothing is averaged over settings."
        ),
        x_title=names[x],
        y_title=names[y],
        **_cells(sweep, named, lambda c: value_of(c, x), lambda c: value_of(c, y)),
    )


def _cells(
    configurations: Sequence[Configuration],
    named: Sequence[str],
    column_of: Callable[[Configuration], Any],
    row_of: Callable[[Configuration], Any],
) -> dict[str, Any]:
    """Lay out the test score of the first in each cell: they come best validation score first."""
    columns = sorted({column_of(c) for c in configurations})
    rows = sorted({row_of(c) for c in configurations})
    best: dict[tuple[Any, Any], Configuration] = {}
    for configuration in configurations:
        best.setdefault((row_of(configuration), column_of(configuration)), configuration)
    scores = [score for c in configurations if (score := _percent(c)) is not None]
    cells = [[best.get((row, column)) for column in columns] for row in rows]
    return {
        "columns": [str(column) for column in columns],
        "rows": [str(row) for row in rows],
        "values": [[_percent(cell) for cell in line] for line in cells],
        "low": min(scores),  # of a whole sweep: its maps share their colours
        "high": max(scores),
        "told": [[_told(cell, named) for cell in line] for line in cells],
    }


def _percent(configuration: Configuration | None) -> float | None:
    sample = configuration.sample("test_micro_f1") if configuration else None
    return None if sample is None else round(100 * sample.mean, 2)


def _told(configuration: Configuration | None, named: Sequence[str]) -> str:
    if configuration is None:
        return ""
    test = configuration.sample("test_micro_f1")
    count = len(configuration.runs)
    lines = (
        ", ".join(configuration.names),
        told(configuration, named),
        f"test {mean_and_spread(test)} %, n={count}",
        f"val {mean_and_spread(configuration.sample('val_micro_f1'))} %",
    )
    return "\n".join(line for line in lines if line)
