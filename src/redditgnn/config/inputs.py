"""The key `dataset.inputs`: what a model reads at each node."""

from __future__ import annotations

from typing import Any, NamedTuple

from redditgnn.errors import ConfigError, require

KEY = "inputs"
RAW = "raw"


class Inputs(NamedTuple):
    """An embedding `method`, an option of conf/embedding, the dataset's own features, or both."""

    method: str | None = None
    raw: bool = True

    @property
    def text(self) -> str:
        """The names as the key has them, the embedding first."""
        return "+".join([*([self.method] if self.method else []), *([RAW] if self.raw else [])])


def parse_inputs(value: Any) -> Inputs:
    """Read names that are joined by '+'. None is the dataset's own features.

    Raises:
        ConfigError: there are no such inputs.
    """
    if value is None:
        return Inputs()
    way_out = "use raw, the name of an embedding ('redditgnn list embeddings'), or deepwalk+raw"
    if not isinstance(value, str):
        raise ConfigError(f"dataset.inputs must be names joined by '+', got {value!r}; {way_out}")
    names = value.split("+")
    methods = [name for name in names if name != RAW]
    require(
        all(names) and len(names) == len(set(names)),
        f"dataset.inputs must be different names joined by '+', got {value!r}; {way_out}",
    )
    require(
        len(methods) <= 1,
        f"dataset.inputs must have at most one embedding, got {value!r}; {way_out}",
    )
    return Inputs(methods[0] if methods else None, RAW in names)
