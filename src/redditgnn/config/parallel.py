"""The group `parallel`: how many processes train one model together, and how they share the work.

Their number is a fact about hardware, as that of threads: no key here is part of `config_hash`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from redditgnn.config.arguments import check_types
from redditgnn.errors import ConfigError, require

Mode = Literal["none", "data"]
Backend = Literal["auto", "gloo", "nccl"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parallel:
    """The keys of the group, as conf/parallel/data.yaml describes them; the defaults are `none`."""

    name: Mode = "none"
    processes: int | Literal["auto"] = 1
    backend: Backend = "auto"
    timeout: str = "10min"

    def __post_init__(self) -> None:
        require(
            self.processes == "auto" or self.processes > 0,
            f"parallel.processes must be positive, or auto, got {self.processes}",
        )

    @property
    def is_none(self) -> bool:
        """Whether the run is one process."""
        return self.name == "none"


def read_parallel(node: Any, choice: str | None) -> Parallel:
    """Return the keys of the group; `node` is its composed value, and `choice` its option.

    Raises:
        ConfigError: a key is missing or of the wrong type.
    """
    if node is None:
        return Parallel()
    values = {str(key): value for key, value in node.items()} if isinstance(node, Mapping) else {}
    name = values.get("name")
    if name not in get_args(Mode) or name != choice:
        raise ConfigError(
            f"parallel={choice}: parallel.name must be {' or '.join(get_args(Mode))}, and the name "
            f"of its option, got {name!r}; choose another by parallel=NAME"
        )
    call = partial(Parallel, **values)
    check_types("parallel", call)
    return call()
