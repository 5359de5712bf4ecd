"""What a person says of an evolution. conf/evolve/default.yaml has the keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from redditgnn.errors import require, require_positive


@dataclass(frozen=True, kw_only=True)
class EvolveSettings:
    """The keys of conf/evolve/default.yaml."""

    windows: int | str
    mode: Literal["snapshots", "cumulative"]
    task: Literal["communities", "describe"]
    resolution: int | float
    threshold: int | float
    seed: int

    def __post_init__(self) -> None:
        require_positive("evolve.resolution", self.resolution)
        require(0 < self.threshold < 1, f"evolve.threshold must be in (0, 1), got {self.threshold}")
        require(0 <= self.seed < 2**63, f"evolve.seed must be in [0, 2**63), got {self.seed}")
