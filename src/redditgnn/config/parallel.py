"""The group `parallel`: how many processes train one model together, and how they share the work.

Their number is a fact about hardware, as that of threads, and no part of `config_hash`. Neither is
`schedule`. Only what makes `parallel=partition` depart from `sampler=full` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from redditgnn.config.arguments import check_types
from redditgnn.errors import ConfigError, require

Mode = Literal["none", "data", "partition", "pipeline"]
Backend = Literal["auto", "gloo", "nccl"]
Cut = Literal["metis", "random", "order"]
Schedule = Literal["gpipe", "1f1b"]
OF_HALO = ("staleness", "smoothing", "boundary_rate", "wire_dtype")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parallel:
    """The keys of the group, as the files of conf/parallel describe them.

    The defaults are those of `none`, and of exact partition parallel training.
    """

    name: Mode = "none"
    processes: int | Literal["auto"] = 1
    backend: Backend = "auto"
    timeout: str = "10min"
    partition: Cut = "metis"
    staleness: int = 0
    smoothing: int | float = 0
    boundary_rate: int | float = 1
    wire_dtype: Literal["fp32", "bf16"] = "fp32"
    schedule: Schedule = "1f1b"

    def __post_init__(self) -> None:
        self._check_halo()
        require(
            self.processes == "auto" or self.processes > 0,
            f"parallel.processes must be positive, or auto, got {self.processes}",
        )

    @property
    def is_none(self) -> bool:
        """Whether the run is one process."""
        return self.name == "none"

    @property
    def is_partition(self) -> bool:
        """Whether each process trains on a part of the graph."""
        return self.name == "partition"

    @property
    def is_pipeline(self) -> bool:
        """Whether each process computes some of the layers."""
        return self.name == "pipeline"

    @property
    def halo(self) -> dict[str, Any]:
        """The keys that say how exact the states of other processes' nodes are."""
        return {key: getattr(self, key) for key in OF_HALO}

    @property
    def hashed(self) -> dict[str, Any]:
        """The keys that a score may depend on: none as long as training is exact."""
        exact = Parallel().halo
        changes = {key: value for key, value in self.halo.items() if value != exact[key]}
        if not changes:
            return {}
        return {**changes, "partition": self.partition, "processes": self.processes}

    def _check_halo(self) -> None:
        require(
            self.staleness in (0, 1),
            f"parallel.staleness must be 0 or 1 steps, got {self.staleness}",
        )
        require(
            0 < self.boundary_rate <= 1,
            f"parallel.boundary_rate must be above 0 and at most 1, got {self.boundary_rate}",
        )
        require(
            0 <= self.smoothing < 1,
            f"parallel.smoothing must be at least 0 and below 1, got {self.smoothing}",
        )
        require(
            self.smoothing == 0 or self.staleness == 1,
            f"parallel.smoothing={self.smoothing} has no effect without parallel.staleness=1",
        )
        require(
            self.boundary_rate == 1 or self.staleness == 0,
            f"parallel.boundary_rate={self.boundary_rate} draws other rows in every step, and "
            "parallel.staleness=1 reads those of the step before; set one of them",
        )


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
