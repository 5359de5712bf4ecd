"""The files of an evolution, and what is printed of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from redditgnn.evolution.evolution import Evolution
from redditgnn.evolution.page import write_page
from redditgnn.evolution.pictures import picture
from redditgnn.evolution.settings import EvolveSettings
from redditgnn.evolution.wording import as_time, describe_scores, describe_table, diagram_of
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import short_hash
from redditgnn.graph.timeline import Window
from redditgnn.runtime.files import result_folder

PAGE = "evolution.html"


@dataclass(frozen=True, kw_only=True)
class Result:
    """An evolution, of what graph it is, and how it was found.

    `ages` are the scores of runs by the age of their model, empty if there are none.
    """

    graph: GraphData
    settings: EvolveSettings
    windows: Sequence[Window]
    evolution: Evolution
    ages: pd.DataFrame
    cpu_s: float

    @property
    def name(self) -> str:
        """Graph, and a hash of it and of all settings: repeated runs share it."""
        return f"{self.graph.name}-{short_hash(str(self.graph.fingerprint), repr(self.settings))}"

    def text(self) -> str:
        """Return a line on the graph, the table of snapshots, and the scores by age."""
        parts = [self._sentence, describe_table(self.evolution)]
        if not self.ages.empty:
            parts.append(describe_scores(self.ages))
        return "\n\n".join(parts)

    @property
    def _sentence(self) -> str:
        kind = "cumulative snapshots" if self.settings.mode == "cumulative" else "snapshots"
        start, end = self.windows[0].start, self.windows[-1].end
        return (
            f"{self.graph.name}: {self.graph.num_nodes:,} nodes in {len(self.windows):,} {kind}, "
            f"times from {as_time(start)} to before {as_time(end)}"
        )

    def write(self, results_dir: Path) -> Path:
        """Write the folder `results_dir/evolution/NAME` whole, and return its path.

        Raises:
            DataError: it cannot be written.
        """
        with result_folder(results_dir / "evolution", self.name) as (temporary, folder):
            self._write_files(temporary)
        return folder

    def _write_files(self, folder: Path) -> None:
        evolution, title = self.evolution, f"{self.graph.name} through time"
        evolution.table.to_csv(folder / "snapshots.csv", index=False)
        if not self.ages.empty:
            self.ages.to_csv(folder / "ages.csv", index=False)
        diagram = diagram_of(evolution)
        page = write_page(title, f"{self._sentence}.", evolution, diagram, self.ages)
        (folder / PAGE).write_text(page, encoding="utf-8")
        summary = {"graph": self.graph.name, "fingerprint": str(self.graph.fingerprint)}
        text = json.dumps({**summary, **asdict(self.settings), "cpu_s": self.cpu_s}, indent=2)
        (folder / "summary.json").write_text(f"{text}\n", encoding="utf-8")
        if diagram is not None:
            svg = picture(diagram, title)
            (folder / "alluvial.svg").write_text(svg, encoding="utf-8")
            self._write_communities(folder)

    def _write_communities(self, folder: Path) -> None:
        evolution, nodes = self.evolution, self.graph.names.nodes
        for name in ("communities", "flows", "events"):
            getattr(evolution, name).to_csv(folder / f"{name}.csv", index=False)
        np.save(folder / "membership.npy", evolution.groups)
        if nodes is not None:
            columns = {f"snapshot {k}": ids for k, ids in enumerate(evolution.groups, start=1)}
            table = pd.DataFrame({"node": nodes} | columns)
            table.to_csv(folder / "membership.csv", index=False)
