"""What a person says of a map. conf/map/default.yaml has the keys."""

from __future__ import annotations

from dataclasses import dataclass

from redditgnn.errors import require
from redditgnn.maps.layout import Name

FEATURES, RUN = "features", "run:"


@dataclass(frozen=True, kw_only=True)
class MapSettings:
    """The keys of conf/map/default.yaml."""

    of: str
    layout: Name
    colour: str | None
    communities: str | None
    columns: str | None
    seed: int

    def __post_init__(self) -> None:
        is_run = self.of.startswith(RUN) and len(self.of) > len(RUN)
        require(
            self.of == FEATURES or is_run,
            f"map.of must be {FEATURES} or {RUN}RUN_ID, got {self.of!r}",
        )
        require(0 <= self.seed < 2**32, f"map.seed must be in [0, 2**32), got {self.seed}")

    @property
    def run_id(self) -> str | None:
        """The run whose hidden states are laid out, None for the features of the graph."""
        return self.of[len(RUN) :] if self.of != FEATURES else None
