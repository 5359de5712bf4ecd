"""The experiments in conf/experiment and in a folder of the user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redditgnn import CONF_DIR
from redditgnn.config.compose import ConfigurationError, compose_experiment, one_line
from redditgnn.config.merge import EXPERIMENT, read_file
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError


class Experiments:
    """The experiments in `folders`. Options come from redditgnn's conf first, then from these."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    @property
    def names(self) -> list[str]:
        """The names without duplicates, those of the first folder first."""
        folders = (sorted((folder / EXPERIMENT).glob("*.yaml")) for folder in self._folders)
        return list(dict.fromkeys(path.stem for paths in folders for path in paths))

    def target(self, name: str) -> Any:
        """Return the key `target` as the file has it, None if there is none.

        Raises:
            ConfigError: the file cannot be read.
        """
        paths = [folder / EXPERIMENT / f"{name}.yaml" for folder in (CONF_DIR, *self._folders)]
        path = next((path for path in paths if path.is_file()), paths[0])
        try:
            return read_file(path).values.get("target")
        except (OSError, ValueError, *ConfigurationError) as error:
            raise ConfigError(f"{path}: {one_line(error)}") from error

    def compose(self, name: str) -> tuple[Settings, Any]:
        """Return what `compose_experiment` returns for `experiment=name`."""
        return compose_experiment([f"{EXPERIMENT}={name}"], self._folders[-1])
