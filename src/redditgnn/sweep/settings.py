"""The keys of conf/sweep, which control how runs are executed and change no score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from redditgnn.config.arguments import check_types
from redditgnn.errors import ConfigError, require
from redditgnn.runtime.duration import seconds_of

Keys = TypeVar("Keys")


@dataclass(frozen=True, kw_only=True, slots=True)
class SlurmSettings:
    """The resources of a cluster job: the keys below `sweep.slurm`."""

    cluster: Literal["slurm", "local"]
    partition: str | None
    time: str
    nodes: int
    tasks_per_node: int
    cpus: int
    gpus: int
    mem_gib: int | float

    def __post_init__(self) -> None:
        bounds = {"nodes": 1, "tasks_per_node": 1, "cpus": 1, "gpus": 0, "mem_gib": 1}
        _require_at_least("sweep.slurm", self, bounds)
        require(
            self.cluster == "slurm" or self.nodes == 1,
            f"sweep.slurm.cluster=local is this machine alone, got sweep.slurm.nodes={self.nodes}; "
            "use sweep.slurm.tasks_per_node",
        )
        seconds_of("sweep.slurm.time", self.time)

    @property
    def tasks(self) -> int:
        """The number of processes that a job starts."""
        return self.nodes * self.tasks_per_node

    @property
    def minutes(self) -> int:
        return max(1, round(seconds_of("sweep.slurm.time", self.time) / 60))


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSettings:
    """The keys below `sweep`. conf/sweep/default.yaml describes them."""

    params: dict[str, Any]
    grids: list[Any]
    rerun: bool
    same_code: bool
    jobs: int
    jobs_per_gpu: int
    search: Literal["grid", "optuna"]
    trials: int
    search_time: str | None
    search_seed: int
    launcher: Literal["local", "submitit"]
    slurm: SlurmSettings

    def __post_init__(self) -> None:
        _require_at_least(
            "sweep", self, {"jobs": 1, "jobs_per_gpu": 1, "trials": 1, "search_seed": 0}
        )
        for grid in self.grids:
            require(
                isinstance(grid, Mapping), f"sweep.grids must be a list of KEY: VALUES, got {grid}"
            )
        require(
            self.search == "grid" or len(self.grids) <= 1,
            f"sweep.search=optuna searches one grid, and sweep.grids has {len(self.grids)}; leave "
            "sweep.search out",
        )
        if self.search_time is not None:
            seconds_of("sweep.search_time", self.search_time)

    @property
    def all_params(self) -> list[dict[str, Any]]:
        """The parameters of each grid: those that all have, and its own."""
        return [{**self.params, **grid} for grid in self.grids or [{}]]

    @property
    def search_s(self) -> float | None:
        """Seconds after which no new trial starts."""
        return None if self.search_time is None else seconds_of("search_time", self.search_time)


def sweep_settings(values: Any) -> SweepSettings:
    """Read the group `sweep` of a composed configuration.

    Raises:
        ConfigError: a key is missing, unknown, or has a value that cannot work.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"sweep must be one of 'redditgnn list sweeps', got {values}")
    slurm = _build_settings("sweep.slurm", SlurmSettings, values.get("slurm"))
    return _build_settings("sweep", SweepSettings, {**values, "slurm": slurm})


def _build_settings(group: str, kind: type[Keys], values: Any) -> Keys:
    mapping = values if isinstance(values, Mapping) else {}
    call = partial(kind, **{str(key): value for key, value in mapping.items()})
    for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]
        if name not in call.keywords:
            raise ConfigError(
                f"{group}.{name} is missing; begin the file with 'defaults: [default]'"
            )
    check_types(group, call)
    return call()


def _require_at_least(group: str, settings: Any, bounds: Mapping[str, int]) -> None:
    for key, bound in bounds.items():
        value = getattr(settings, key)
        require(value >= bound, f"{group}.{key} must be at least {bound}, got {value}")
