"""An option of a group that only one command reads, and that is no part of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from redditgnn import CONF_DIR
from redditgnn.config.compose import ConfigurationError, check_overrides, one_line, search_path
from redditgnn.config.settings import call_of
from redditgnn.config.wording import ALL_KEYS
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
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            config = compose(None, overrides=[*search_path(config_dir), f"+{group}={name}", *keys])
            values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (*ConfigurationError, ValueError) as error:
        raise ConfigError(one_line(error).removesuffix(f"; {ALL_KEYS}")) from error
    assert isinstance(values, dict)
    node = values[group]
    call = call_of(group, name, node)
    return Option(name, {key: value for key, value in node.items() if key[0] != "_"}, call)
