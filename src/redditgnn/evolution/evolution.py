"""The evolution of a graph: a row for each snapshot, and its communities followed through time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int32
from numpy import ndarray

from redditgnn.evolution.description import Row, densification_exponent, describe
from redditgnn.evolution.history import History
from redditgnn.evolution.settings import EvolveSettings
from redditgnn.evolution.shuffling import shuffled
from redditgnn.evolution.stages import parts, stage_of, stages
from redditgnn.evolution.tables import event_table, joined
from redditgnn.graph.data import GraphData
from redditgnn.graph.timeline import Window
from redditgnn.partition.tables import labels_of

NO_GROUPS = np.empty((0, 0), np.int32)


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """What a graph was like through time.

    Attributes:
        table: A row for each snapshot.
        groups: The id of the community of each node in each snapshot, `ABSENT` without edges there.
        communities: A row for each community in each snapshot.
        flows: A row for each two communities of consecutive snapshots that share nodes.
        events: A row for each event between two snapshots.
    """

    table: pd.DataFrame
    groups: Int32[ndarray, "snapshots nodes"]
    communities: pd.DataFrame
    flows: pd.DataFrame
    events: pd.DataFrame


def evolve(graph: GraphData, windows: Sequence[Window], settings: EvolveSettings) -> Evolution:
    """Describe the snapshots of these windows, and follow their communities.

    Raises:
        DataError: the graph has no times.
    """
    rows, history = list[Row](), History(settings, labels_of(graph, None))
    known = np.zeros(graph.num_nodes, dtype=bool)
    nodes, edges = list[int](), list[int]()
    for stage, whole in stages(graph, windows, cumulative=settings.mode == "cumulative"):
        nodes.append(whole.num_nodes)
        edges.append(whole.num_edges)
        row = describe(stage, new_nodes=int((stage.active & ~known).sum()))
        row |= {"total_nodes": nodes[-1], "total_edges": edges[-1]}
        row["densification_exponent"] = densification_exponent(nodes, edges)
        known |= stage.active
        if settings.task == "communities":
            row |= history.follow(stage)
        rows.append(row)
    table = pd.DataFrame(rows).apply(pd.to_numeric)  # None is NaN, in a column of them, too
    table.insert(0, "snapshot", range(1, len(rows) + 1))
    if settings.task == "communities":
        table["ami_shuffled"] = _stability_without_drift(graph, windows, settings)
    return Evolution(
        table=table,
        groups=np.array(history.groups, np.int32) if history.groups else NO_GROUPS,
        communities=joined(history.communities),
        flows=joined(history.flows),
        events=event_table(history.events, table),
    )


def _stability_without_drift(
    graph: GraphData, windows: Sequence[Window], settings: EvolveSettings
) -> list[float]:
    """Return the AMI of each snapshot to the one before where times are shuffled, NaN if none."""
    history, graph = History(settings, None), shuffled(graph, settings.seed)
    cumulative = settings.mode == "cumulative"
    rows = [history.follow(stage_of(graph, part)) for part in parts(windows, cumulative=cumulative)]
    values = [row.get("ami_previous") for row in rows]
    return [float("nan") if value is None else value for value in values]
