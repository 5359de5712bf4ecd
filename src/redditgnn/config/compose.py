"""Composition of command-line overrides into typed settings, as Hydra composes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from redditgnn import CONF_DIR
from redditgnn.config.arguments import check_types, refuse_missing
from redditgnn.config.inputs import RAW, parse_inputs
from redditgnn.config.merge import merge_files
from redditgnn.config.parallel import read_parallel
from redditgnn.config.protocol import read_protocol
from redditgnn.config.settings import (
    COMPONENTS,
    EMBEDDING,
    GROUPS,
    NOT_OF_A_RUN,
    PARALLEL,
    PROTOCOL,
    SELECTABLE,
    Kernels,
    Settings,
)
from redditgnn.config.values import Values, resolve
from redditgnn.config.wording import describe_error
from redditgnn.errors import ConfigError, require

ConfigurationError = (HydraException, OmegaConfBaseException, YAMLError)


def settings_from(composed: Values, choices: Mapping[str, Any]) -> Settings:
    """Read the values of a configuration; `choices` names the chosen option of each group.

    Raises:
        ConfigError: a key is missing or has a value of the wrong type.
    """
    try:
        values = resolve(composed)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    top_level = {key: value for key, value in values.items() if key not in NOT_OF_A_RUN}
    missing = [group for group in GROUPS if group not in top_level]
    if missing:
        raise ConfigError(f"{missing[0]} must be chosen: {missing[0]}=NAME, see 'redditgnn list'")
    components = {group: top_level.pop(group) for group in COMPONENTS}
    options = {group: choices.get(group) for group in (*SELECTABLE, "experiment")}
    if components["dataset"].get("inputs") == RAW:
        top_level[EMBEDDING] = options[EMBEDDING] = None  # an experiment may have chosen one
    protocol, temporal = read_protocol(top_level.pop(PROTOCOL, None), choices.get(PROTOCOL))
    parallel = read_parallel(top_level.pop(PARALLEL, None), choices.get(PARALLEL))
    top_level |= {
        "kernels": _build_kernels(top_level.pop("kernels", None)),
        "protocol": protocol,
        "temporal": temporal,
        "parallel": parallel,
    }
    call = partial(Settings, components=components, choices=options, **top_level)
    check_types("", call)
    refuse_missing("", call)
    return call()


def _build_kernels(values: Any) -> Kernels:
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
    """Compose as `compose_settings` does, and return the key `target` too, None if there is none.

    `config_dir` holds further options, as train's --config-dir does.
    """
    check_overrides(overrides)
    try:
        values, choices = compose_values(prepare_overrides(overrides), config_dir)
        return settings_from(values, choices), deepcopy(values.get("target"))
    except ConfigurationError as error:
        raise ConfigError(one_line(error)) from error


def compose_values(
    overrides: Sequence[str], config_dir: Path | None
) -> tuple[Values, dict[str, Any]]:
    """Compose conf/train.yaml; return its values, and the chosen option of each group."""
    folders = [CONF_DIR] if config_dir is None else [CONF_DIR, config_dir]
    return merge_files(overrides, folders) or compose_by_hydra(overrides, config_dir)


def compose_by_hydra(
    overrides: Sequence[str], config_dir: Path | None
) -> tuple[Values, dict[str, Any]]:
    """Compose as `compose_values` does, whatever the form of overrides and files."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        config = _compose_config([*search_path(config_dir), *overrides])
    choices = dict(config.hydra.runtime.choices)
    with open_dict(config):
        del config["hydra"]
    values = OmegaConf.to_container(config)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}, choices


def search_path(config_dir: Path | None) -> list[str]:
    """Return the override by which Hydra also finds the options in `config_dir`."""
    return [] if config_dir is None else [f"hydra.searchpath=['file://{config_dir.absolute()}']"]


def _compose_config(overrides: list[str]) -> DictConfig:
    try:
        return compose("train", overrides=overrides, return_hydra_config=True)
    except ValueError as error:  # Hydra's, about files that are not text or not a list
        raise ConfigError(one_line(error)) from error


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuse a group whose value is not the name of an option, which makes Hydra report a bug.

    Keys of Hydra itself are refused too: only its composition is used, so they would do nothing.

    Raises:
        ConfigError: names the override.
    """
    for override in overrides:
        group, _, value = override.partition("=")
        require(
            re.match(r"[+~]*hydra[./@]", group) is None,
            f"{override}: keys of Hydra have no effect here; leave it out "
            "(--config-dir DIR adds options of your own)",
        )
        chosen_by_name = group in (*SELECTABLE, PROTOCOL, PARALLEL, "experiment")
        if chosen_by_name and re.fullmatch(r"|null|true|false|\[.*|-?\d+(\.\d+)?", value.lower()):
            raise ConfigError(
                f"{override}: {group} must be the name of an option, see 'redditgnn list {group}s'"
            )
        require(bool(group), f"{override!r} is not KEY=VALUE; name the key in front of '='")


def prepare_overrides(overrides: Sequence[str]) -> list[str]:
    """Return `overrides` so that `~KEY` also removes a key whose value is null.

    Hydra reports that such a key does not exist. So the key gets a value first. Arguments of a
    dataset class need no '+', since no file can list them. `dataset.inputs` chooses the option of
    the embedding that it names.
    """
    prepared = []
    for override in overrides:
        if override.startswith("~") and "." in override and "=" not in override:
            prepared.append(f"{override[1:]}=0")
        takes_any_key = re.match(r"\+?dataset\.arguments[.=]", override) is not None
        prepared.append(f"++{override.lstrip('+')}" if takes_any_key else override)
    return [*prepared, *_embedding_of_inputs(overrides)]


def _embedding_of_inputs(overrides: Sequence[str]) -> list[str]:
    """Return the override of the group `embedding` that `dataset.inputs` means, if any."""
    pairs = dict(override.lstrip("+").partition("=")[::2] for override in overrides)
    value = pairs.get("dataset.inputs", "null")
    if value == "null" or EMBEDDING in pairs or not re.fullmatch(r"[a-z][\w+-]*", value):
        return []
    method = parse_inputs(value).method
    return [] if method is None else [f"{EMBEDDING}={method}"]


def one_line(error: BaseException) -> str:
    """Describe an error of Hydra or OmegaConf in one line."""
    return describe_error(error, CONF_DIR)
