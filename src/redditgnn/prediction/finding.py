"""The finding of a diagnosis: in which neighbourhoods a model fails, or is better than another."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from redditgnn.prediction.diagnosis import Tables

NEIGHBORHOODS = ("homophily", "degree", "distance")
FEWEST = 0.05  # share of the nodes that a bin needs to be named, or of the errors
FEWEST_NODES = 10  # of a bin that is named for its errors
OF = "accuracy of "  # before the names of two models in a table


def finding_of(tables: Tables, split: str) -> str:
    """Return it in two sentences, for one run or for two beside each other."""
    where = f"{tables['degree'].nodes.sum():,} {split} nodes"
    return _compare(tables, where) if "agreement" in tables else _find_lowest(tables, where)


def _find_lowest(tables: Tables, where: str) -> str:
    mean = _mean(tables["degree"], "accuracy")
    places = [
        f"{name} {row[name]} ({_describe_row(row)})"
        for name, table in _tables_of_several(tables)
        if (row := _lowest(_with_errors(table, mean), "accuracy"))["accuracy"] < mean
    ]
    rest = f" It is lowest at {', '.join(places)}." if places else ""
    return f"The accuracy is {mean:.1%} on {where}.{rest}"


def _compare(tables: Tables, where: str) -> str:
    degree = tables["degree"]
    means = {c.removeprefix(OF): _mean(degree, c) for c in degree if c.startswith(OF)}
    (worse, low), (better, high) = sorted(means.items(), key=lambda pair: pair[1])
    if low == high:
        return f"{worse} and {better} have the same accuracy, {low:.1%} on {where}."
    sign = 1 if better == next(iter(means)) else -1  # the difference is of the first to the second
    places = [
        f"{name} {row[name]} ({_points(row['share'])}, {row['nodes']:,} nodes)"
        for name, table in _tables_of_several(tables)
        if (row := _lowest(_with_share(table, sign), "rest"))["share"] > 0
    ]
    rest = f" Most of the {_points(high - low)} comes from {', '.join(places)}." if places else ""
    return f"{better} has an accuracy of {high:.1%} on {where}, and {worse} of {low:.1%}.{rest}"


def _tables_of_several(tables: Tables) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables of neighbourhoods that tell any apart, by name."""
    for name in NEIGHBORHOODS:
        if len(tables[name]) > 1:
            yield name, tables[name]


def _lowest(table: pd.DataFrame, column: str) -> pd.Series:
    """Return the row with the lowest value, of those with enough nodes or with few that count."""
    enough = table[~_is_small(table) | table.counts]
    return enough.loc[enough[column].idxmin()]


def _with_errors(table: pd.DataFrame, mean: float) -> pd.DataFrame:
    """Add the share of all errors, and whether a small bin counts: it is wrong nearly always."""
    errors = (1 - table.accuracy) * table.nodes
    share = errors / max(errors.sum(), 1)
    counts = (share >= FEWEST) | (table.accuracy <= mean / 2)
    counts &= table.nodes >= FEWEST_NODES
    return table.assign(errors=share, counts=counts, is_small=_is_small(table))


def _is_small(table: pd.DataFrame) -> pd.Series:
    return table.nodes < FEWEST * table.nodes.sum()


def _describe_row(row: pd.Series) -> str:
    text = f"{row['accuracy']:.1%} of {row['nodes']:,} nodes"
    return f"{text}, {row['errors']:.1%} of all errors" if row["is_small"] else text


def _with_share(table: pd.DataFrame, sign: int) -> pd.DataFrame:
    """Add what each bin adds to the difference of the means, and the rest of it."""
    share = sign * table.difference * table.nodes / table.nodes.sum()
    return table.assign(share=share, rest=share.sum() - share, counts=table.nodes >= FEWEST_NODES)


def _mean(table: pd.DataFrame, column: str) -> float:
    return float((table[column] * table.nodes).sum() / table.nodes.sum())


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
