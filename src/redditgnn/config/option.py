"""An option of a group that only one command reads, and that is no part of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from redditgnn import CONF_DIR
from redditgnn.config.arguments import check_types, refuse_missing
from redditgnn.config.compose import ConfigurationError, check_overrides, one_line
from redditgnn.config.settings import partial_of
from redditgnn.config.wording import ALL_KEYS, join_lines
from redditgnn.errors import ConfigError, require


class Option(NamedTuple):
    """The chosen option of a group, its values, and the call that they describe."""

    name: str
    values: dict[str, Any]
    call: partial[Any]


def compose_option(
    group: str, default: str, overrides: Sequence[str], config_dir: Path | None = None
) -> Option:
    """Compose `GROUP=NAME` and `GROUP.KEY=VALUE`; `config_dir` holds further options.

    Raises:
        ConfigError: there is no such option or key, or a value has the wrong type.
    """
    GlobalHydra.instance().clear()
    check_overrides(overrides)
    names = [text.partition("=")[2] for text in overrides if text.startswith(f"{group}=")]
    name = names[-1] if names else default
    require(
        re.fullmatch(r"[\w-]+", name) is not None and name.lower() not in ("null", "true", "false"),
        f"{group}={name}: {group} must be the name of an option, see 'redditgnn list {group}'",
    )
    keys = [text for text in overrides if not text.startswith(f"{group}=")]
    path = [] if config_dir is None else [f"hydra.searchpath=['file://{config_dir.absolute()}']"]
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            config = compose(None, overrides=[*path, f"+{group}={name}", *keys])
            values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (*ConfigurationError, ValueError) as error:
        raise ConfigError(one_line(error).removesuffix(f"; {ALL_KEYS}")) from error
    assert isinstance(values, dict)
    return _checked(group, name, values[group])


def _checked(group: str, name: str, values: dict[str, Any]) -> Option:
    if "_target_" not in values or values.get("_partial_") is not True:
        raise ConfigError(
            f"{group}={name}: {group} must have _target_, the import path of a class, and "
            f"_partial_: true, got {values}"
        )
    try:
        call = partial_of(values)
    except InstantiationException as error:
        raise ConfigError(f"{group}={name}: {join_lines(error)}; is it spelt right?") from error
    check_types(group, call)
    refuse_missing(f"{group}.", call)
    return Option(name, {key: value for key, value in values.items() if key[0] != "_"}, call)
