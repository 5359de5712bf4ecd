"""Tables of followed communities: a row a community, a flow, or an event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int64
from numpy import ndarray

from redditgnn.evolution.matching import ABSENT, Event, Groups, overlaps, sizes
from redditgnn.partition.tables import Labelled, label_columns


def groups_present(groups: Groups) -> Int64[ndarray, " communities"]:
    """Return the ids of the communities that have nodes."""
    return np.flatnonzero(sizes(groups))


def community_table(number: int, groups: Groups, labelled: Labelled | None) -> pd.DataFrame:
    """Return size, most frequent label, and that label's share of the nodes that have one."""
    ids, nodes = groups_present(groups), sizes(groups)
    columns = {"snapshot": number, "community": ids, "nodes": nodes[ids]}
    if labelled is None:
        return pd.DataFrame({**columns, "top_label": "", "purity": np.nan})
    present = groups != ABSENT
    labels = Labelled(labelled.y[present], labelled.classes)
    tops = label_columns(groups[present].astype(np.int32), len(nodes), labels)
    return pd.DataFrame({**columns, **{name: values[ids] for name, values in tops.items()}})


def flow_table(since: int, number: int, before: Groups, after: Groups) -> pd.DataFrame:
    """Return the nodes that communities of the snapshots `since` and `number` have in common."""
    pairs = overlaps(before, after)
    return pd.DataFrame(
        {"since": since, "snapshot": number}
        | {"community": pairs.first, "next_community": pairs.second, "nodes": pairs.nodes}
    )


def event_table(numbered: Sequence[tuple[int, Event]], table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each event, with the time at which its later snapshot starts."""
    columns = ["snapshot", "time", *Event._fields]
    start = dict(zip(table.snapshot, table.start, strict=True))
    rows = [
        (number, start[number], event.kind, _ids(event.before), _ids(event.after), *event[3:])
        for number, event in numbered
    ]
    return pd.DataFrame(rows, columns=columns)


def _ids(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables, nothing if there are none."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
