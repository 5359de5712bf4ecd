"""From command-line overrides to typed settings and built components.

The only readers of Hydra's and OmegaConf's objects: what leaves this module are plain values.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from redditgnn import CONF_DIR
from redditgnn.arguments import check_types, refuse_missing
from redditgnn.errors import ConfigError, require
from redditgnn.mistakes import folded, told

METHOD = {  # by which what others have built is known
    "dataset": "induced",
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
NOT_HASHED = ("trainer.checkpoint_every", "sampler.cuda_graph")  # what no score depends on
HASHED_IF_SET = ("trainer.max_time",)  # keys that came later: without them a hash stays what it was
ConfigurationError = (HydraException, OmegaConfBaseException, YAMLError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernels:
    """The keys below `kernels`: how operators are computed, not what."""

    backend: Literal["auto", "torch", "numba", "triton"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The top-level keys of conf/train.yaml, and every group as it was resolved."""

    seed: int
    device: Literal["auto", "cpu", "cuda"]
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


def settings_from(config: DictConfig, choices: Mapping[str, Any]) -> Settings:
    """Read a composed configuration; `choices` names the chosen option of each group.

    Raises:
        ConfigError: a key is missing or has a value of the wrong type.
    """
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    assert isinstance(values, dict)
    top_level = {str(key): value for key, value in values.items() if key not in NOT_OF_A_RUN}
    missing = [group for group in GROUPS if group not in top_level]
    if missing:
        raise ConfigError(f"{missing[0]} must be chosen: {missing[0]}=NAME, see 'redditgnn list'")
    components = {group: top_level.pop(group) for group in COMPONENTS}
    chosen = {group: choices.get(group) for group in (*GROUPS, "experiment")}
    kernels = _kernels(top_level.pop("kernels", None))
    call = partial(Settings, kernels=kernels, components=components, choices=chosen, **top_level)
    check_types("", call)
    refuse_missing("", call)
    return call()


def _kernels(values: Any) -> Kernels:
    if not isinstance(values, dict) or "backend" not in values:
        raise ConfigError(
            f"kernels must have the key backend, got {values}; try kernels.backend=auto"
        )
    call = partial(Kernels, **values)
    check_types("kernels", call)
    return call()


def compose_settings(overrides: Sequence[str]) -> Settings:
    """Compose conf/train.yaml with `overrides`, as `redditgnn train` does, without running it."""
    return compose_experiment(overrides)[0]


def compose_experiment(
    overrides: Sequence[str], config_dir: Path | None = None
) -> tuple[Settings, Any]:
    """Compose as `compose_settings`; return also the key `target`, None where there is none.

    `config_dir` has further options, as train's --config-dir.
    """
    GlobalHydra.instance().clear()
    refuse_no_option(overrides)
    path = [] if config_dir is None else [f"hydra.searchpath=['file://{config_dir.absolute()}']"]
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            config = _composed([*path, *overrides])
            choices = config.hydra.runtime.choices
            with open_dict(config):
                del config["hydra"]
            return settings_from(config, choices), target_of(config)
    except ConfigurationError as error:
        raise ConfigError(one_line(error)) from error


def _composed(overrides: list[str]) -> DictConfig:
    try:
        return compose("train", overrides=overrides, return_hydra_config=True)
    except ValueError as error:  # of Hydra's, about files that are no text or no list
        raise ConfigError(one_line(error)) from error


def refuse_no_option(overrides: Sequence[str]) -> None:
    """Refuse what Hydra takes for a bug of its own: a group whose value is no name of an option.

    Raises:
        ConfigError: names the group.
    """
    for override in overrides:
        group, _, value = override.partition("=")
        chosen_by_name = group in (*GROUPS, "experiment")
        if chosen_by_name and re.fullmatch(r"|null|true|false|\[.*|-?\d+(\.\d+)?", value.lower()):
            raise ConfigError(
                f"{override}: {group} must be the name of an option, see 'redditgnn list {group}s'"
            )
        require(bool(group), f"{override!r} is not KEY=VALUE; name the key in front of '='")


def target_of(config: Any) -> Any:
    """Return the key `target` of a configuration as plain values, None where there is none."""
    target = config.get("target")
    return OmegaConf.to_container(target) if OmegaConf.is_config(target) else target


def hash_of_config(settings: Settings) -> str:
    """Hash every setting that a score may depend on, bar the seed."""
    components = {
        group: {key: value for key, value in values.items() if _is_hashed(f"{group}.{key}", value)}
        for group, values in settings.components.items()
    }
    told = json.dumps([settings.protocol, components], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _is_hashed(key: str, value: Any) -> bool:
    return key not in NOT_HASHED and not (key in HASHED_IF_SET and value is None)


def one_line(error: BaseException) -> str:
    """Word an error of Hydra's or OmegaConf's in one line."""
    return told(error, CONF_DIR)
