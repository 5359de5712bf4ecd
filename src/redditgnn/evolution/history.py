"""Communities that are followed from snapshot to snapshot."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int64
from numpy import ndarray

from redditgnn.evolution.communities import Partition, find_communities
from redditgnn.evolution.description import Row
from redditgnn.evolution.matching import ABSENT, Event, Groups, events, identities, linked
from redditgnn.evolution.settings import EvolveSettings
from redditgnn.evolution.stages import Stage
from redditgnn.evolution.tables import community_table, flow_table, groups_present
from redditgnn.partition.comparison import Agreement, compare
from redditgnn.partition.tables import UNLABELLED, Labelled


class History:
    """The communities of the snapshots so far.

    Attributes:
        groups: The id of the community of each node, for each snapshot.
        communities, flows: The tables of each snapshot.
        events: What happened, with the number of the later snapshot.
    """

    def __init__(self, settings: EvolveSettings, labelled: Labelled | None) -> None:
        self._settings, self._labelled = settings, labelled
        self.groups: list[Groups] = []
        self.communities: list[pd.DataFrame] = []
        self.flows: list[pd.DataFrame] = []
        self.events: list[tuple[int, Event]] = []
        self._previous: Groups | None = None  # of the last snapshot that has edges
        self._before = 0  # its number
        self._next_id = 0

    def follow(self, stage: Stage) -> Row:
        """Find the communities of the next snapshot, and return what they are like."""
        number = len(self.groups) + 1
        if not stage.num_edges:
            self.groups.append(np.full(len(stage.active), ABSENT))
            return {"communities": 0}
        partition = find_communities(stage.adjacency, self._previous, self._settings)
        groups = self._named(partition.groups)
        if self._previous is not None:
            threshold = self._settings.threshold
            self.events += [(number, e) for e in events(self._previous, groups, threshold)]
            self.flows.append(flow_table(self._before, number, self._previous, groups))
        row = self._scores(partition, groups)
        self.communities.append(community_table(number, groups, self._labelled))
        self.groups.append(groups)
        self._previous, self._before = groups, number
        return row

    def _named(self, groups: Groups) -> Groups:
        """Give communities the ids of those that they continue."""
        before = np.full(len(groups), ABSENT) if self._previous is None else self._previous
        links = linked(before, groups, self._settings.threshold)
        ids = identities(links, int(groups.max()) + 1, self._next_id)
        self._next_id = max(self._next_id, int(ids.max()) + 1)
        return np.where(groups == ABSENT, ABSENT, ids[groups])

    def _scores(self, partition: Partition, groups: Groups) -> Row:
        row: Row = {"communities": int(groups_present(groups).size)}
        row["modularity"], row["ami_noise"] = partition.modularity, partition.floor
        for name, other in (("previous", self._previous), ("labels", self._labels)):
            agreement = _compare(groups, other)
            row[f"ami_{name}"] = None if agreement is None else agreement.ami
            row[f"nmi_{name}"] = None if agreement is None else agreement.nmi
        return row

    @property
    def _labels(self) -> Int64[ndarray, " nodes"] | None:
        return None if self._labelled is None else self._labelled.y


def _compare(groups: Groups, other: Groups | None) -> Agreement | None:
    """Compare on the nodes that both have. None if these are less than two."""
    assert ABSENT == UNLABELLED
    if other is None:
        return None
    both = (groups != ABSENT) & (other != ABSENT)
    return compare(groups[both], other[both]) if both.sum() > 1 else None
