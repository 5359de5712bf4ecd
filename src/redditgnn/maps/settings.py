"""What a person says of a map. conf/map/default.yaml has the keys."""

from __future__ import annotations

from dataclasses import dataclass

from redditgnn.errors import require
from redditgnn.maps.layout import Name

FEATURES, EMBEDDING, RUN = "features", "embedding:", "run:"


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
        require(
            self.of == FEATURES or bool(self._named(EMBEDDING) or self._named(RUN)),
            f"map.of must be {FEATURES}, {EMBEDDING}NAME or {RUN}RUN_ID, got {self.of!r}",
        )
        require(0 <= self.seed < 2**32, f"map.seed must be in [0, 2**32), got {self.seed}")

    @property
    def run_id(self) -> str | None:
        """The run whose hidden states are laid out, None if there is none."""
        return self._named(RUN) or None

    @property
    def inputs(self) -> list[str]:
        """The override that makes an embedding the features of the graph."""
        name = self._named(EMBEDDING)
        return [f"dataset.inputs={name}"] if name else []

    def _named(self, prefix: str) -> str:
        return self.of[len(prefix) :] if self.of.startswith(prefix) else ""
