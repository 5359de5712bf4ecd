"""From one command line to jobs: expanded by Hydra's grammar, each composed separately.

Jobs with the same options differ only in values. So each set of options is composed once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from redditgnn import CONF_DIR
from redditgnn.config.compose import (
    ConfigurationError,
    check_overrides,
    compose_values,
    one_line,
    prepare_overrides,
    settings_from,
)
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.config.splits import SPLIT_KEYS, Split, hash_without_split, split_of, with_split
from redditgnn.config.values import Values, set_values
from redditgnn.errors import ConfigError, UserError, require
from redditgnn.run.batch_size import resolve_batch_size
from redditgnn.sweep.grids import Grid, combinations
from redditgnn.sweep.settings import SweepSettings, sweep_settings
from redditgnn.sweep.slurm import resolve_on_cluster
from redditgnn.sweep.splits import choose_split, count_splits, means_all_splits

REPEATED_KEYS = ("seed", *SPLIT_KEYS)  # their values repeat a configuration


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a sweep: `values` are those of the swept keys.

    Jobs that differ only in split and seed have one `configuration`.
    """

    number: int
    overrides: list[str]
    values: dict[str, str]
    settings: Settings
    config_hash: str
    configuration: str

    @property
    def split(self) -> Split | None:
        """The split of its dataset, None if that has only one."""
        return split_of(self.settings.components["dataset"])

    @property
    def label(self) -> str:
        """The swept values of this run, as on the command line."""
        return " ".join(f"{key}={value}" for key, value in self.values.items()) or "the only run"


class Planner:
    """Reads the swept keys of a command line, and composes its jobs.

    Raises:
        ConfigError: the command line, or the group `sweep` that it chooses, is wrong.
    """

    def __init__(self, command_line: Sequence[str], config_dir: Path | None = None) -> None:
        self._config_dir = config_dir
        self._loader = _build_loader(config_dir)
        self._configs: dict[tuple[str, ...], tuple[Values, dict[str, Any]]] = {}
        self._checked_keys: set[str] = set()
        self._num_splits: dict[str, int] = {}
        self._parsed_overrides: dict[str, Override] = {}
        all_overrides = self._parse(command_line)
        own_overrides = [override for override in all_overrides if _group_name(override) == "sweep"]
        for override in own_overrides:
            require(not override.is_sweep_override(), f"{override.input_line}: one sweep at a time")
        values, _ = self._compose([str(override.input_line) for override in own_overrides])
        self.sweep: SweepSettings = sweep_settings(deepcopy(values.get("sweep")))
        job_overrides = [override for override in all_overrides if _group_name(override) != "sweep"]
        self.grids = [self._grid(params, job_overrides) for params in self.sweep.all_params]

    def jobs(self) -> list[Job]:
        """Compose and check all combinations of the swept values, without duplicates.

        Raises:
            ConfigError: names the job that has a mistake, or a key that cannot be swept like this.
        """
        pairs = ((grid, values) for grid in self.grids for values in combinations(grid.swept))
        return self._without_duplicates(pairs, 1)

    def repetitions(self, number: int, values: Mapping[str, str]) -> list[Job]:
        """Compose the runs of one configuration, on all splits and seeds of the command line.

        `values` are those of the other swept keys, `number` is that of the first run.

        Raises:
            ConfigError: names the job that has a mistake.
        """
        (grid,) = self.grids
        repeated = [o for o in grid.swept if o.key_or_group in REPEATED_KEYS]
        pairs = ((grid, {**values, **combination}) for combination in combinations(repeated))
        return self._without_duplicates(pairs, number)

    def _without_duplicates(
        self, pairs: Iterable[tuple[Grid, Mapping[str, str]]], number: int
    ) -> list[Job]:
        jobs: dict[tuple[str, int], Job] = {}
        runs: dict[tuple[str, Split | None, int], Job] = {}
        for grid, values in pairs:
            for job in self._jobs(grid, number + len(jobs), values):
                _refuse_one_run(jobs.setdefault((job.config_hash, job.settings.seed), job), job)
                run = (job.configuration, job.split, job.settings.seed)
                _refuse_unused_key(runs.setdefault(run, job), job)
        return list(jobs.values())

    def _jobs(self, grid: Grid, number: int, values: Mapping[str, str]) -> Iterator[Job]:
        """Compose the run with these swept values, or one on each split."""
        overrides = [*grid.common, *(f"{key}={value}" for key, value in values.items())]
        try:
            settings = self._settings(overrides)
            if not means_all_splits(settings):
                yield self._job(number, overrides, values, settings)
                return
            for place in range(self._count_splits(settings)):
                chosen = {**values, "dataset.split_index": str(place)}
                on_split = with_split(settings, place)
                yield self._job(number + place, choose_split(overrides, place), chosen, on_split)
        except (UserError, *ConfigurationError) as error:
            message = one_line(error) if isinstance(error, ConfigurationError) else str(error)
            label = f"job {number} ({' '.join(overrides)}): " if values else ""
            raise ConfigError(f"{label}{message}") from error

    def _job(
        self, number: int, overrides: list[str], values: Mapping[str, str], settings: Settings
    ) -> Job:
        settings = resolve_batch_size(resolve_on_cluster(settings, self.sweep))
        self._check(settings)
        return Job(
            number=number,
            overrides=overrides,
            values=dict(values),
            settings=settings,
            config_hash=hash_of_config(settings),
            configuration=hash_without_split(settings),
        )

    def _count_splits(self, settings: Settings) -> int:
        """Count the splits of a dataset, whose files are loaded once."""
        key = json.dumps([settings.components["dataset"], settings.data_dir], sort_keys=True)
        if key not in self._num_splits:
            self._num_splits[key] = count_splits(settings)
        return self._num_splits[key]

    def _check(self, settings: Settings) -> None:
        """Check the settings, and skip components that were checked before."""
        key = json.dumps(settings.components, sort_keys=True)
        if key not in self._checked_keys:
            settings.check()
            self._checked_keys.add(key)

    def _grid(self, params: Mapping[str, Any], overrides: Sequence[Override]) -> Grid:
        presets = self._parse([f"{key}={value}" for key, value in params.items()])
        named = {str(key) for grid in self.sweep.grids for key in grid}
        return Grid.of([*presets, *overrides], named)

    def _parse(self, arguments: Sequence[str]) -> list[Override]:
        try:
            parser = OverridesParser.create(config_loader=self._loader)
            overrides = parser.parse_overrides(list(arguments))
        except ConfigurationError as error:
            raise ConfigError(one_line(error)) from error
        for override in overrides:
            require(
                not override.is_hydra_override(),
                f"{override.input_line}: sweeps are run by redditgnn, not by Hydra; 'sweep' has "
                "the keys (sweep.jobs, sweep.search, sweep.launcher): see docs/sweeps.md",
            )
        return overrides

    def _settings(self, overrides: Sequence[str]) -> Settings:
        check_overrides(overrides)
        overrides = prepare_overrides(overrides)
        for text in overrides:
            if text not in self._parsed_overrides:
                (self._parsed_overrides[text],) = self._parse([text])
        objects = [self._parsed_overrides[text] for text in overrides]
        values, choices = self._compose([str(o.input_line) for o in objects if self._is_option(o)])
        rest = [override for override in objects if not self._is_option(override)]
        return settings_from(set_values(values, rest), choices)

    def _is_option(self, override: Override) -> bool:
        """Whether it selects configuration files, or sets more than one value."""
        return self._loader.repository.group_exists(override.key_or_group) or isinstance(
            override.value(), dict
        )

    def _compose(self, overrides: Sequence[str]) -> tuple[Values, dict[str, Any]]:
        """Return the values of these options, which must not be changed, and the choices."""
        key = tuple(overrides)
        if key not in self._configs:
            try:
                self._configs[key] = compose_values(key, self._config_dir)
            except ConfigurationError as error:
                raise ConfigError(one_line(error)) from error
        return self._configs[key]


def _refuse_one_run(first: Job, other: Job) -> None:
    """Refuse to sweep a key outside `config_hash`. Two names of one option are allowed."""
    same_choices = replace(other.settings, choices=first.settings.choices)
    if first.settings == same_choices:
        return
    key = next(key for key, value in other.values.items() if value != first.values.get(key))
    before = f"{key}={first.values[key]}" if key in first.values else "its default"
    raise ConfigError(
        f"{key} is no part of config_hash, by which runs are told apart: {before} and "
        f"{key}={other.values[key]} would be one run; give it one value a sweep"
    )


def _refuse_unused_key(first: Job, other: Job) -> None:
    """Refuse to sweep the key that numbers splits of another `dataset.split`."""
    if first.config_hash == other.config_hash or first.split is None:
        return
    unused = next(key for key in SPLIT_KEYS if key != f"dataset.{first.split.key}")
    raise ConfigError(
        f"{unused} has no effect with dataset.split={first.split.rule}, so jobs {first.number} and "
        f"{other.number} would be the same run; sweep dataset.{first.split.key}, or choose another "
        "dataset.split"
    )


def _build_loader(config_dir: Path | None) -> ConfigLoaderImpl:
    """Return Hydra's loader of conf/ and of the options in `config_dir`."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
    assert isinstance(loader, ConfigLoaderImpl)
    if config_dir is not None:
        search_path = loader.get_search_path()
        schema = search_path.get_path().pop()  # which must be the last
        search_path.append("command-line", f"file://{config_dir.absolute()}")
        search_path.append(schema.provider or "", schema.path or "")
        loader.repository.initialize_sources(search_path)
    return loader


def _group_name(override: Override) -> str:
    return override.key_or_group.split(".")[0]
