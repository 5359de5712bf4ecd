"""The keys of conf/sweep: how a sweep goes about its runs, none of which a score depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from redditgnn.config import check_types
from redditgnn.errors import ConfigError, require


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSettings:
    """The keys below `sweep`; conf/sweep/default.yaml says what each is."""

    params: dict[str, Any]
    rerun: bool
    same_code: bool
    jobs: int
    jobs_per_gpu: int

    def __post_init__(self) -> None:
        for key in ("jobs", "jobs_per_gpu"):
            value = getattr(self, key)
            require(value >= 1, f"sweep.{key} must be at least 1, got {value}")


def sweep_settings(values: Any) -> SweepSettings:
    """Read the group `sweep` of a composed configuration.

    Raises:
        ConfigError: a key is missing, unknown, or has a value that cannot work.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"sweep must be one of 'redditgnn list sweeps', got {values}")
    call = partial(SweepSettings, **{str(key): value for key, value in values.items()})
    missing = [key for key in SweepSettings.__dataclass_fields__ if key not in call.keywords]
    if missing:
        raise ConfigError(
            f"sweep.{missing[0]} is missing; begin the file with 'defaults: [default]'"
        )
    check_types("sweep", call)
    return call()
