"""What every measurement needs to know besides the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Which graph, on which device, for how long, and in how much memory.

    `scale` is of dataset=sbm. At least `repeats` rounds are timed, and more until `budget_s` is
    spent. `memory_limit_gib` is of each side; None: what is free.
    """

    dataset: str
    scale: float
    data_dir: str
    device_name: str
    repeats: int
    budget_s: float
    memory_limit_gib: float | None = None

    @property
    def device(self) -> torch.device:
        """The device as torch has it."""
        return torch.device(self.device_name)

    @property
    def graph_name(self) -> str:
        """The graph, as rows name it."""
        return f"sbm {self.scale:g}" if self.dataset == "sbm" else self.dataset

    @property
    def overrides(self) -> list[str]:
        """The settings of the graph."""
        scale = [f"dataset.scale={self.scale:g}"] if self.dataset == "sbm" else []
        return [f"dataset={self.dataset}", *scale, f"data_dir={self.data_dir}"]

    def load_graph(self) -> GraphData:
        """Load the dataset as `redditgnn train` would."""
        settings = compose_settings(self.overrides)
        graph: GraphData = settings.build("dataset", Path(self.data_dir))
        return graph
