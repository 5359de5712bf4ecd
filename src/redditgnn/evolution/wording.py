"""An evolution in words and short tables, for the page and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import NamedTuple

import pandas as pd

from redditgnn.evolution.ages import side_by_side
from redditgnn.evolution.alluvial import OTHERS, Alluvial, lay_out
from redditgnn.evolution.evolution import Evolution
from redditgnn.graph.timeline import Time

CHANCE = 0.05  # share of the steps with shuffled times that may seem to be a change
MOST_EVENTS = 200  # on the page
MOST_LETTERS = 40  # of several ids on the page
MOST_ROWS = 20  # printed
TIMES = ("start", "end", "time")
COLUMNS = {
    "new_nodes": "new nodes",
    "mean_degree": "mean degree",
    "adjusted_homophily": "adjusted homophily",
    "total_nodes": "nodes so far",
    "total_edges": "edges so far",
    "densification_exponent": "densification exponent",
    "ami_noise": "AMI between two starts (noise)",
    "ami_shuffled": "AMI with shuffled times (no drift)",
    "ami_previous": "AMI to the snapshot before",
    "nmi_previous": "NMI to the snapshot before",
    "ami_labels": "AMI to the labels",
    "nmi_labels": "NMI to the labels",
    "kind": "event",
    "nodes_before": "nodes before",
    "nodes_after": "nodes after",
    "common": "nodes in both",
}
PRINTED = (
    *("snapshot", "start", "end", "nodes", "new_nodes", "edges", "mean_degree"),
    *("densification_exponent", "homophily", "adjusted_homophily"),
)
PRINTED_OF_COMMUNITIES = (
    *("snapshot", "communities", "modularity", "ami_previous", "ami_shuffled", "ami_noise"),
    "ami_labels",
)


class Diagram(NamedTuple):
    """The alluvial diagram and its words.

    `labels` describe communities by snapshot and id, `legend` those that have a colour. `headings`
    are the times at which snapshots start.
    """

    alluvial: Alluvial
    labels: Mapping[tuple[int, int], str]
    headings: Sequence[str]
    legend: Mapping[int, str]


def diagram_of(evolution: Evolution) -> Diagram | None:
    """Lay out the diagram. None if no communities were found."""
    communities = evolution.communities
    if communities.empty:
        return None
    alluvial = lay_out(communities, evolution.flows, len(evolution.table))
    labels = {
        (row.snapshot, row.community): f"mostly {row.top_label} ({row.purity:.0%})"
        for row in communities.itertuples()
        if row.top_label
    }
    largest = communities.loc[communities.groupby("community").nodes.idxmax()]
    top = dict(zip(largest.community, largest.top_label, strict=True))
    legend = {c: f"{c}: {top[c]}" if top[c] else str(c) for c in alluvial.communities}
    if any(block.community == OTHERS for block in alluvial.blocks):
        legend[OTHERS] = "others"
    headings = list(map(as_time, evolution.table.start))
    return Diagram(alluvial, labels, headings, legend)


def as_time(time: Time) -> str:
    """Return a time as the graph holds it."""
    return f"{time:.10g}"


def describe_changes(evolution: Evolution) -> str:
    """Say how far communities change, beside what chance does to them."""
    whole = evolution.table
    table = whole.dropna(subset=["ami_previous"])
    if table.empty:
        return "No two snapshots share nodes with edges, so that nothing is compared."
    changed = int((table.ami_previous < _chance(whole)[table.index]).sum())
    kinds = evolution.events.kind.value_counts()
    counts = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
    return (
        f"{changed} of {len(table)} steps change the communities more than chance does (AMI to the "
        f"snapshot before {_span(table.ami_previous)}, with shuffled times "
        f"{_span(table.ami_shuffled)}, between two starts {_span(whole.ami_noise)}). "
        f"Events: {counts}."
    )


def _chance(table: pd.DataFrame) -> pd.Series:
    """Return the AMI below which a step is more than chance.

    It is that between two starts, of the snapshot or of the one before. If it is less, it is what
    nearly all steps with shuffled times exceed.
    """
    noise, least = table.ami_noise, table.ami_shuffled.quantile(CHANCE)
    return pd.concat([noise, noise.ffill().shift()], axis=1).min(axis=1).clip(upper=least)


def _span(values: pd.Series) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"


def largest_events(events: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the events with most nodes, in their order, and the number of all."""
    size = events[["nodes_before", "nodes_after"]].max(axis=1)
    chosen = events.loc[sorted(size.nlargest(MOST_EVENTS).index)]
    ids = {name: chosen[name].map(_shortened) for name in ("before", "after")}
    return chosen.assign(**ids), len(events)


def _shortened(ids: str) -> str:
    return shorten(ids, MOST_LETTERS, placeholder=" ...")


def table_of_sizes(
    communities: pd.DataFrame, alluvial: Alluvial, legend: Mapping[int, str]
) -> pd.DataFrame:
    """Return a row for each community that has a colour, and a column for each snapshot."""
    sizes = communities.pivot(index="community", columns="snapshot", values="nodes")
    sizes = sizes.loc[list(alluvial.communities)].map(lambda n: "" if n != n else f"{n:,.0f}")
    sizes.columns = [f"snapshot {number}" for number in sizes.columns]
    sizes.insert(0, "community", [legend[community] for community in sizes.index])
    return sizes


def describe_table(evolution: Evolution) -> str:
    """Return the first rows of the snapshots as aligned text."""
    table = evolution.table
    texts = [_aligned(table, PRINTED)]
    if not evolution.communities.empty:
        texts += [_aligned(table, PRINTED_OF_COMMUNITIES), describe_changes(evolution)]
    return "\n\n".join(texts)


def describe_scores(ages: pd.DataFrame) -> str:
    """Return the scores of models in the windows after their training as aligned text."""
    table = side_by_side(ages)
    return _aligned(table, list(table.columns[1:]), "ages.csv")


def _aligned(table: pd.DataFrame, columns: Sequence[str], file: str = "snapshots.csv") -> str:
    shown = [name for name in columns if name in table and table[name].notna().any()]
    text = readable(table[shown].head(MOST_ROWS))
    lines = text.to_string(index=False, na_rep="", float_format="{:.4g}".format)
    more = len(table) - MOST_ROWS
    return lines + (f"\n... and {more:,} more in {file}" if more > 0 else "")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with headings in words, and times as the graph holds them."""
    times = {name: table[name].map(as_time) for name in TIMES if name in table}
    return table.assign(**times).rename(columns=COLUMNS)
