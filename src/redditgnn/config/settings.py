"""Typed settings, and the components that they build.

Settings hold plain values. No object of Hydra or OmegaConf leaves this module.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate

from redditgnn.config.arguments import check_types, refuse_missing
from redditgnn.config.inputs import KEY, Inputs, parse_inputs
from redditgnn.config.parallel import Parallel
from redditgnn.config.protocol import Protocol, Temporal
from redditgnn.config.wording import join_lines
from redditgnn.errors import ConfigError, require

METHOD = {  # that a component of each group must have, whoever wrote it
    "dataset": "subgraph",
    "model": "encode",
    "sampler": "__iter__",
    "optimizer": "zero_grad",
    "scheduler": "step",
    "trainer": "fit",
    "tracker": "started",
    "embedding": "compute",
}
TRACKER = "tracker"  # reports a run without changing it: not a component, and not hashed
EMBEDDING = "embedding"  # only chosen where `dataset.inputs` reads one
PROTOCOL = "protocol"  # a group of keys, not of components
PARALLEL = "parallel"  # another
SELECTABLE = tuple(METHOD)
GROUPS = tuple(group for group in SELECTABLE if group != EMBEDDING)  # every run has one of each
COMPONENTS = tuple(group for group in GROUPS if group != TRACKER)
ALL_SPLITS = "all"  # the value of dataset.split_index that a sweep expands
FACTS = {"sampler": ("num_layers", "device", "seed"), "trainer": ("device",)}  # from the run
# `target`: an experiment's published number; `sweep`: how a sweep runs.
NOT_OF_A_RUN = ("hydra", "target", "sweep")


def partial_of(node: Mapping[str, Any]) -> partial[Any]:
    """Return the partial call that a component's YAML describes, as Hydra's `instantiate` does.

    Hydra copies the node into a configuration of its own first, which takes a hundred times as
    long. That is left to it where a value has a `_target_` itself, and where there is a mistake.
    """
    keywords = {key: value for key, value in node.items() if not key.startswith("_")}
    if node.keys() - keywords == {"_target_", "_partial_"} and not _has_target(keywords):
        with suppress(Exception):  # whatever an import raises: Hydra describes it
            target = get_object(node["_target_"])
            if callable(target):
                return partial(target, **deepcopy(keywords))
    built: partial[Any] = instantiate(node, _convert_="all")
    return built


def _has_target(value: Any) -> bool:
    """Whether a mapping somewhere in `value` has the key `_target_`."""
    if isinstance(value, Mapping):
        return "_target_" in value or any(map(_has_target, value.values()))
    return isinstance(value, list) and any(map(_has_target, value))


def call_of(group: str, option: str | None, node: Any) -> partial[Any]:
    """Return the call that the `option` of a group describes, with values that fit it.

    Raises:
        ConfigError: it describes none, or a key is missing or of the wrong type.
    """
    if "_target_" not in node or node.get("_partial_") is not True:
        raise ConfigError(
            f"{group}={option}: {group} must have _target_, the import path of a function or "
            f"class, and _partial_: true, got {node}"
        )
    try:
        call = partial_of(node)
    except InstantiationException as error:
        text = join_lines(error).split(", set env var")[0]
        way_out = "is it spelt right?" if "in call to" not in text else "set _partial_ to true"
        raise ConfigError(f"{group}={option}: {text}; {way_out}") from error
    check_types(group, call)
    refuse_missing(f"{group}.", call, FACTS.get(group, ()))
    return call


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernels:
    """The keys below `kernels`: how operators are computed, not what."""

    backend: Literal["auto", "torch", "numba", "triton"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The top-level keys of conf/train.yaml, with the resolved values of every group."""

    seed: int
    device: str
    protocol: Protocol
    data_dir: str
    results_dir: str
    kernels: Kernels
    components: dict[str, dict[str, Any]]
    tracker: dict[str, Any]
    choices: dict[str, str | None]
    embedding: dict[str, Any] | None = None
    temporal: Temporal | None = None
    parallel: Parallel = Parallel()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Build settings from what `asdict` returned, also after a round trip through JSON."""
        keys = values.get("temporal")
        temporal = None if keys is None else Temporal.from_dict(keys)
        kernels = Kernels(**values["kernels"])
        parallel = Parallel(**values.get("parallel", {}))
        return cls(**{**values, "kernels": kernels, "temporal": temporal, "parallel": parallel})

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

    @property
    def inputs(self) -> Inputs:
        """What the model reads at each node: the key `dataset.inputs`."""
        return parse_inputs(self.components["dataset"].get(KEY))

    @property
    def protocol_keys(self) -> str | dict[str, Any]:
        """The name of the protocol, with its keys as they are hashed if it has some."""
        return self.protocol if self.temporal is None else {self.protocol: self.temporal.hashed}

    @property
    def protocol_part(self) -> str:
        """The part of a run's fingerprint: the name, and a hash of what decides the tests."""
        if self.temporal is None:
            return self.protocol
        text = repr(self.temporal.of_the_test)
        return f"{self.protocol}:{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"

    def with_embedding(self, components: Mapping[str, Any]) -> dict[str, Any]:
        """Return `components`, and the embedding if there is one."""
        embedding = {} if self.embedding is None else {EMBEDDING: self.embedding}
        return {**components, **embedding}

    def component(self, group: str) -> Callable[..., Any]:
        """Return the class or function that builds the chosen component of `group`."""
        return self._check_component(group).func

    def build(self, group: str, *args: Any, **facts: Any) -> Any:
        """Build the chosen component of `group` from its YAML and from `facts` of the run."""
        target = self._check_component(group)
        if target.func.__module__.startswith("redditgnn."):
            return target(*args, **facts)
        name = f"{group}={self.choices[group]}"
        try:
            component = target(*args, **facts)
        except MemoryError:
            raise
        except Exception as error:  # whatever a library raises for a value that it cannot use
            raise ConfigError(f"{name}: {join_lines(error)}") from error
        method = METHOD[group]
        require(
            hasattr(component, method),
            f"{name}: {group}._target_ must give a {group}, which has {method}(), "
            f"got {type(component).__name__}",
        )
        return component

    def check(self) -> None:
        """Refuse keys and types that components do not take, before anything slow begins."""
        for group in GROUPS:
            self._check_component(group)
        self._check_embedding()

    def _check_embedding(self) -> None:
        method, chosen = self.inputs.method, self.choices.get(EMBEDDING)
        if chosen is not None:
            require(
                method == chosen,
                f"embedding={chosen} has no effect with dataset.inputs={self.inputs.text}; set "
                f"dataset.inputs={chosen}",
            )
        if method is not None:
            self._check_component(EMBEDDING)

    def _check_component(self, group: str) -> partial[Any]:
        node = self._node(group)
        is_dataset = group == "dataset" and isinstance(node, Mapping)
        require(
            not is_dataset or node.get("split_index") != ALL_SPLITS,
            f"dataset.split_index={ALL_SPLITS} is a run on each split, not one run: add -m to "
            "'redditgnn train' (from Python: train_sweep)",
        )
        return call_of(group, self.choices[group], node)

    def _node(self, group: str) -> Any:
        """Return the keys of a component, or what an option of a user holds instead.

        No dataset is built from `dataset.inputs`.
        """
        if group == EMBEDDING:
            if self.embedding is None:
                method = self.inputs.method or "NAME"
                raise ConfigError(f"embedding must be chosen: add embedding={method}")
            return self.embedding
        if group == TRACKER:
            return self.tracker
        node = self.components[group]
        if group != "dataset" or not isinstance(node, Mapping):
            return node
        return {key: value for key, value in node.items() if key != KEY}
