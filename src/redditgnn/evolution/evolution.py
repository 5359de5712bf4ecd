"""The evolution of a graph: a row for each snapshot, and its communities followed through time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int32, Int64
from numpy import ndarray

from redditgnn.evolution.communities import Partition, find_communities
from redditgnn.evolution.description import Row, count_new, densification_exponent, describe
from redditgnn.evolution.matching import (
    ABSENT,
    Event,
    Groups,
    events,
    identities,
    linked,
    overlaps,
    sizes,
)
from redditgnn.evolution.settings import EvolveSettings
from redditgnn.evolution.stages import Stage, stages
from redditgnn.graph.data import GraphData
from redditgnn.graph.timeline import Window
from redditgnn.partition.comparison import Agreement, compare
from redditgnn.partition.tables import UNLABELLED, Labelled, label_columns, labels_of

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
    rows, history = list[Row](), _History(settings, labels_of(graph, None))
    known = np.zeros(graph.num_nodes, dtype=bool)
    nodes, edges = list[int](), list[int]()
    for stage, whole in stages(graph, windows, cumulative=settings.mode == "cumulative"):
        nodes.append(whole.num_nodes)
        edges.append(whole.num_edges)
        row = describe(stage, count_new(stage.active, known))
        row |= {"total_nodes": nodes[-1], "total_edges": edges[-1]}
        row["densification_exponent"] = densification_exponent(nodes, edges)
        known |= stage.active
        if settings.task == "communities":
            row |= history.follow(stage)
        rows.append(row)
    return history.finish(_table(rows))


def _table(rows: Sequence[Row]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    table.insert(0, "snapshot", range(1, len(rows) + 1))
    return table


class _History:
    """The communities of the snapshots so far."""

    def __init__(self, settings: EvolveSettings, labelled: Labelled | None) -> None:
        self._settings, self._labelled = settings, labelled
        self._groups: list[Groups] = []
        self._previous: Groups | None = None  # of the last snapshot that has edges
        self._next_id = 0
        self._communities: list[pd.DataFrame] = []
        self._flows: list[pd.DataFrame] = []
        self._events: list[tuple[int, Event]] = []
        self._before = 0  # the number of the snapshot of `_previous`

    def follow(self, stage: Stage) -> Row:
        """Find the communities of the next snapshot, and return what they are like."""
        number = len(self._groups) + 1
        if not stage.num_edges:
            self._groups.append(np.full(len(stage.active), ABSENT))
            return {"communities": 0}
        found = find_communities(stage.adjacency, self._previous, self._settings)
        groups = self._named(found.groups)
        if self._previous is not None:
            threshold = self._settings.threshold
            self._events += [(number, e) for e in events(self._previous, groups, threshold)]
            self._flows.append(_flow_table(self._before, number, self._previous, groups))
        row = self._scores(found, groups)
        self._communities.append(_community_table(number, groups, self._labelled))
        self._groups.append(groups)
        self._previous, self._before = groups, number
        return row

    def _named(self, groups: Groups) -> Groups:
        """Give communities the ids of those that they continue."""
        before = np.full(len(groups), ABSENT) if self._previous is None else self._previous
        links = linked(before, groups, self._settings.threshold)
        ids = identities(links, int(groups.max()) + 1, self._next_id)
        self._next_id = max(self._next_id, int(ids.max()) + 1)
        return np.where(groups == ABSENT, ABSENT, ids[groups])

    def _scores(self, found: Partition, groups: Groups) -> Row:
        row: Row = {"communities": int(groups_present(groups).size)}
        row["modularity"], row["ami_noise"] = found.modularity, found.floor
        for name, other in (("previous", self._previous), ("labels", self._labels)):
            agreement = None if other is None else _compare(groups, other)
            row[f"ami_{name}"] = None if agreement is None else agreement.ami
            row[f"nmi_{name}"] = None if agreement is None else agreement.nmi
        return row

    @property
    def _labels(self) -> Int64[ndarray, " nodes"] | None:
        return None if self._labelled is None else self._labelled.y

    def finish(self, table: pd.DataFrame) -> Evolution:
        """Put all together."""
        return Evolution(
            table=table,
            groups=np.array(self._groups, np.int32) if self._groups else NO_GROUPS,
            communities=_joined(self._communities),
            flows=_joined(self._flows),
            events=_event_table(self._events, table),
        )


def groups_present(groups: Groups) -> Int64[ndarray, " communities"]:
    """Return the ids of the communities that have nodes."""
    return np.flatnonzero(sizes(groups))


def _compare(groups: Groups, other: Groups) -> Agreement:
    assert ABSENT == UNLABELLED
    both = (groups != ABSENT) & (other != ABSENT)
    return compare(groups[both], other[both])


def _community_table(number: int, groups: Groups, labelled: Labelled | None) -> pd.DataFrame:
    """Return size, most frequent label, and that label's share of the nodes that have one."""
    ids, nodes = groups_present(groups), sizes(groups)
    columns = {"snapshot": number, "community": ids, "nodes": nodes[ids]}
    if labelled is None:
        return pd.DataFrame({**columns, "top_label": "", "purity": np.nan})
    present = groups != ABSENT
    labels = Labelled(labelled.y[present], labelled.classes)
    tops = label_columns(groups[present].astype(np.int32), len(nodes), labels)
    return pd.DataFrame({**columns, **{name: values[ids] for name, values in tops.items()}})


def _flow_table(since: int, number: int, before: Groups, after: Groups) -> pd.DataFrame:
    pairs = overlaps(before, after)
    return pd.DataFrame(
        {"since": since, "snapshot": number}
        | {"community": pairs.first, "next_community": pairs.second, "nodes": pairs.nodes}
    )


def _event_table(found: Sequence[tuple[int, Event]], table: pd.DataFrame) -> pd.DataFrame:
    columns = ["snapshot", "time", *Event._fields]
    start = dict(zip(table.snapshot, table.start, strict=True))
    rows = [
        (number, start[number], event.kind, _ids(event.before), _ids(event.after), *event[3:])
        for number, event in found
    ]
    return pd.DataFrame(rows, columns=columns)


def _ids(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
