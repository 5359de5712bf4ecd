"""Typed settings, and the components that they build.

The only readers of Hydra's and OmegaConf's objects: what leaves this module are plain values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from redditgnn.config.arguments import check_types, refuse_missing
from redditgnn.config.wording import folded
from redditgnn.errors import ConfigError, require

METHOD = {  # by which what others have built is known
    "dataset": "subgraph",
    "model": "encode",
    "sampler": "__iter__",
    "optimizer": "zero_grad",
    "scheduler": "step",
    "trainer": "fit",
    "tracker": "started",
}
TRACKER = "tracker"  # tells of a run and changes nothing in it: no component, and not hashed
GROUPS = tuple(METHOD)
COMPONENTS = tuple(group for group in GROUPS if group != TRACKER)
FACTS = {"sampler": ("num_layers", "device", "seed"), "trainer": ("device",)}  # given by a run
# `target`: what an experiment's published number is; `sweep`: how several runs are gone about.
NOT_OF_A_RUN = ("hydra", "target", "sweep")


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernels:
    """The keys below `kernels`: how operators are computed, not what."""

    backend: Literal["auto", "torch", "numba", "triton"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The top-level keys of conf/train.yaml, and every group as it was resolved."""

    seed: int
    device: str
    protocol: Literal["transductive", "inductive"]
    data_dir: str
    results_dir: str
    kernels: Kernels
    components: dict[str, dict[str, Any]]
    tracker: dict[str, Any]
    choices: dict[str, str | None]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Settings:
        """Make them of what `asdict` gave, JSON in between or not."""
        return cls(**{**plain, "kernels": Kernels(**plain["kernels"])})

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, f"seed must be in [0, 2**63), got {self.seed}")
        require(
            re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device) is not None,
            f"device must be auto, cpu, cuda or cuda:NUMBER, got {self.device!r}",
        )
        for key, folder in (("data_dir", self.data_dir), ("results_dir", self.results_dir)):
            require(
                folder != "", f"{key} must name a folder, got ''; {key}=. is the one you are in"
            )

    def build(self, group: str, *args: Any, **facts: Any) -> Any:
        """Construct the chosen component of `group` from its YAML and facts known at run time."""
        target = self._checked(group)
        if target.func.__module__.startswith("redditgnn."):
            return target(*args, **facts)
        name = f"{group}={self.choices[group]}"
        try:
            made = target(*args, **facts)
        except Exception as error:  # whatever a library makes of a value that it cannot use
            raise ConfigError(f"{name}: {folded(error)}") from error
        method = METHOD[group]
        require(
            hasattr(made, method),
            f"{name}: {group}._target_ must give a {group}, which has {method}(), "
            f"got {type(made).__name__}",
        )
        return made

    def check(self) -> None:
        """Refuse keys and types that no component takes, before anything slow begins."""
        for group in GROUPS:
            self._checked(group)

    def _checked(self, group: str) -> partial[Any]:
        name = f"{group}={self.choices[group]}"
        node = self.tracker if group == TRACKER else self.components[group]
        if "_target_" not in node or node.get("_partial_") is not True:
            raise ConfigError(
                f"{name}: {group} must have _target_, the import path of a function or class, and "
                f"_partial_: true, got {node}"
            )
        try:
            target = instantiate(node, _convert_="all")
        except InstantiationException as error:
            text = folded(error).split(", set env var")[0]
            way_out = "is it spelt right?" if "in call to" not in text else "set _partial_ to true"
            raise ConfigError(f"{name}: {text}; {way_out}") from error
        check_types(group, target)
        refuse_missing(f"{group}.", target, FACTS.get(group, ()))
        return target
