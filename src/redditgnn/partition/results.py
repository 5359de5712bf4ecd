"""The files of found communities, and the numbers that summarise them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import short_hash
from redditgnn.partition.comparison import compare
from redditgnn.partition.description import description_length
from redditgnn.partition.search import Communities, Start
from redditgnn.partition.tables import (
    UNLABELLED,
    Labelled,
    block_table,
    community_table,
    label_table,
    labels_of,
)
from redditgnn.runtime.files import result_folder


@dataclass(frozen=True, kw_only=True)
class Result:
    """Communities of a graph, with what they are compared to.

    Attributes:
        method: The name of the method, its settings, and the run whose predictions are compared.
        labelled: None if nodes may have several labels: no comparison is defined.
        cost: CPU seconds, and memory in MiB.
    """

    graph: GraphData
    method: dict[str, Any]
    communities: Communities
    was_directed: bool
    labelled: Labelled | None
    cost: dict[str, float]

    @classmethod
    def of(
        cls,
        graph: GraphData,
        method: dict[str, Any],
        communities: Communities,
        predicted: Int[ndarray, " nodes"] | None,
        *,
        was_directed: bool,
        cost: dict[str, float],
    ) -> Result:
        return cls(
            graph=graph,
            method=method,
            communities=communities,
            was_directed=was_directed,
            labelled=labels_of(graph, predicted),
            cost=cost,
        )

    @property
    def name(self) -> str:
        """Graph, method, and a hash of the edges and all settings: repeated runs share it."""
        parts = (str(self.graph.fingerprint.edges), json.dumps(self.method, sort_keys=True))
        return f"{self.graph.name}-{self.method['name']}-{short_hash(*parts)}"

    def table(self) -> pd.DataFrame:
        """Return a row for each community."""
        best = self.communities.best
        return community_table(self.graph, best.membership, best.blocks, self.labelled)

    def comparisons(self) -> dict[str, Any]:
        """Return the measures against labels, and against predictions where there are any."""
        if self.labelled is None:
            return {"labels": None, "note": "not defined: nodes may have several labels"}
        membership, known = self.communities.best.membership, self.labelled.y != UNLABELLED
        compared: dict[str, Any] = {"labels": _compare(membership[known], self.labelled.y[known])}
        compared["unlabelled_nodes"] = int((~known).sum())
        if self.labelled.predicted is not None:
            compared["predictions"] = _compare(membership, self.labelled.predicted)
        return compared

    def summary(self) -> dict[str, Any]:
        """Return all that is no table, as plain values."""
        best = self.communities.best
        return {
            "graph": self.graph.name,
            "fingerprint": str(self.graph.fingerprint),
            "nodes": self.graph.num_nodes,
            "edges": int(best.blocks.edges.sum() / 2),
            "isolated_nodes": isolated_nodes(best),
            "was_directed": self.was_directed,
            "method": self.method,
            "best": _describe(best),
            "description_length_of_one_community": description_of_one(best),
            "agreement_of_starts": self.communities.agreement,
            **self.comparisons(),
            "starts": [_describe(start) for start in self.communities.starts],
            **self.cost,
        }

    def write(self, results_dir: Path, further: Iterable[tuple[str, str]] = ()) -> Path:
        """Write the folder `results_dir/communities/NAME` whole, and return its path.

        `further` are names and texts of files that are written beside ours.

        Raises:
            DataError: it cannot be written.
        """
        with result_folder(results_dir / "communities", self.name) as (temporary, folder):
            self._write_files(temporary)
            for name, text in further:
                (temporary / name).write_text(text, encoding="utf-8")
        return folder

    def _write_files(self, folder: Path) -> None:
        best, nodes = self.communities.best, self.graph.names.nodes
        np.save(folder / "membership.npy", best.membership)
        tables = {"communities": self.table(), "blocks": block_table(best.blocks)}
        if self.labelled is not None:
            tables["labels"] = label_table(best.membership, self.labelled)
        if nodes is not None:
            tables["membership"] = pd.DataFrame({"node": nodes, "community": best.membership})
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        with (folder / "summary.json").open("w", encoding="utf-8") as file:
            _dump(self.summary(), file)


def isolated_nodes(start: Start) -> int:
    """Count the nodes without edges. Each is a community of its own."""
    return int((start.blocks.volume(start.blocks.edges) == 0).sum())


def description_of_one(start: Start) -> float:
    """Return the description length of the graph as one community."""
    return description_length(start.blocks.merged())


def _compare(membership: ndarray, labels: ndarray) -> dict[str, float]:
    return compare(membership, labels)._asdict()


def _describe(start: Start) -> dict[str, Any]:
    return {
        "resolution": start.candidate.resolution,
        "weights": start.candidate.weighted,
        "start": start.number,
        "communities": len(start.blocks.sizes),
        "quality": start.quality,
        "modularity": start.modularity,
        "description_length_nats": start.description_length,
    }


def _dump(values: dict[str, Any], file: IO[str]) -> None:
    json.dump(values, file, indent=2, ensure_ascii=False)
    file.write("\n")
