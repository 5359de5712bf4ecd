"""From command-line overrides to typed settings and built components.

The only readers of Hydra's and OmegaConf's objects: what leaves this module are plain values.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from beartype import BeartypeConf
from beartype.door import is_bearable
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from redditgnn import CONF_DIR
from redditgnn.errors import ConfigError
from redditgnn.mistakes import folded, told

COMPONENTS = ("dataset", "model", "sampler", "optimizer", "scheduler", "trainer")
# `target`: what an experiment's published number is; `sweep`: how several runs are gone about.
NOT_OF_A_RUN = ("hydra", "target", "sweep")
NOT_HASHED = ("trainer.checkpoint_every",)  # what no score depends on
HASHED_IF_SET = ("trainer.max_time",)  # keys that came later: without them a hash stays what it was
ConfigurationError = (HydraException, OmegaConfBaseException, YAMLError)

# PEP 484: an int is acceptable where a float is expected.
_TYPE_RULES = BeartypeConf(is_pep484_tower=True)


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
    choices: dict[str, str | None]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Settings:
        """Make them of what `asdict` gave, JSON in between or not."""
        return cls(**{**plain, "kernels": Kernels(**plain["kernels"])})

    def build(self, group: str, *args: Any, **facts: Any) -> Any:
        """Construct the chosen component of `group` from its YAML and facts known at run time."""
        target = self._checked(group)
        if target.func.__module__.startswith("redditgnn."):
            return target(*args, **facts)
        try:
            return target(*args, **facts)
        except Exception as error:  # whatever a library makes of a value that it cannot use
            raise ConfigError(f"{group}={self.choices[group]}: {folded(error)}") from error

    def check(self) -> None:
        """Refuse keys and types that no component takes, before anything slow begins."""
        for group in COMPONENTS:
            self._checked(group)

    def _checked(self, group: str) -> partial[Any]:
        try:
            target = instantiate(self.components[group], _convert_="all")
        except InstantiationException as error:
            text = folded(error).split(", set env var")[0]
            raise ConfigError(
                f"{group}={self.choices[group]}: {text}; is it spelt right?"
            ) from error
        check_types(group, target)
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
    missing = [group for group in COMPONENTS if group not in top_level]
    if missing:
        raise ConfigError(f"{missing[0]} must be chosen: {missing[0]}=NAME, see 'redditgnn list'")
    components = {group: top_level.pop(group) for group in COMPONENTS}
    chosen = {group: choices.get(group) for group in (*COMPONENTS, "experiment")}
    kernels = _kernels(top_level.pop("kernels", None))
    call = partial(Settings, kernels=kernels, components=components, choices=chosen, **top_level)
    check_types("", call)
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
    path = [] if config_dir is None else [f"hydra.searchpath=['file://{config_dir.absolute()}']"]
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            config = compose("train", overrides=[*path, *overrides], return_hydra_config=True)
            choices = config.hydra.runtime.choices
            with open_dict(config):
                del config["hydra"]
            return settings_from(config, choices), target_of(config)
    except ConfigurationError as error:
        raise ConfigError(one_line(error)) from error


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


def check_types(group: str, call: partial[Any]) -> None:
    """Compare the keyword arguments of `call` with what the function that it calls takes.

    Our own functions are held to their annotations, those of others to their numeric defaults.

    Raises:
        ConfigError: names key, expected type and value.
    """
    prefix = f"{group}." if group else ""
    _refuse_unknown(prefix, call)
    ours = call.func.__module__.startswith("redditgnn.")
    hints = _annotations(call.func) if ours else _numeric_defaults(call.func)
    for key, hint in hints.items():
        if key in call.keywords and not _fits(call.keywords[key], hint):
            raise ConfigError(f"{prefix}{key} must be {_spoken(hint)}, got {call.keywords[key]!r}")


def _refuse_unknown(prefix: str, call: partial[Any]) -> None:
    parameters = inspect.signature(call.func).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for key in call.keywords:
        if key not in parameters:
            text = f"{prefix}{key}: there is no such key" + (prefix and f" of {call.func.__name__}")
            raise ConfigError(f"{text}; leave it out, or remove it with ~{prefix}{key}")


def one_line(error: BaseException) -> str:
    """Word an error of Hydra's or OmegaConf's in one line."""
    return told(error, CONF_DIR)


def _annotations(target: Callable[..., Any]) -> Mapping[str, Any]:
    function = inspect.getattr_static(target, "__init__") if isinstance(target, type) else target
    return typing.get_type_hints(function)


def _numeric_defaults(target: Callable[..., Any]) -> Mapping[str, Any]:
    parameters = inspect.signature(target).parameters.values()
    numeric = (p for p in parameters if type(p.default) in (int, float))
    return {parameter.name: float for parameter in numeric}


def _fits(value: Any, hint: Any) -> bool:
    accepted = typing.get_args(hint) or (hint,)
    if isinstance(value, bool) and bool not in accepted and (int in accepted or float in accepted):
        return False  # bool is a subclass of int
    return is_bearable(value, hint, conf=_TYPE_RULES)


def _spoken(hint: Any) -> str:
    """Say a type as a user would: `int`, `batch, layer or null`, `list[int]`."""
    if hint is type(None):
        return "null"
    if hint is float:
        return "a number"
    if typing.get_origin(hint) is Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        args = typing.get_args(hint)
        return " or ".join(_spoken(arg) for arg in args if arg is not int or float not in args)
    return hint.__name__ if type(hint) is type else str(hint)
