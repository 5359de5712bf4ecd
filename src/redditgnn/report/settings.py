"""The hyper-parameters in which configurations differ."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from redditgnn.report.grouping import Configuration

ABSENT = ""  # the value of a key that a configuration does not have


class VaryingKeys(NamedTuple):
    """Keys whose values differ: within a model and sampler (`swept`), or only between those."""

    swept: list[str]
    others: list[str]


def varying_keys(configurations: Sequence[Configuration]) -> VaryingKeys:
    """Return the keys whose values differ among `configurations`, in alphabetical order."""
    swept = set()
    for sweep in sweeps(configurations).values():
        swept |= _differing_keys(sweep)
    return VaryingKeys(sorted(swept), sorted(_differing_keys(configurations) - swept))


def sweeps(
    configurations: Iterable[Configuration],
) -> dict[tuple[str, str], list[Configuration]]:
    """Group `configurations` by model and sampler."""
    by_names: dict[tuple[str, str], list[Configuration]] = defaultdict(list)
    for configuration in configurations:
        by_names[configuration.names].append(configuration)
    return dict(by_names)


def swept_pairs(sweep: Sequence[Configuration]) -> list[tuple[str, str]]:
    """Return the pairs of numeric keys that were crossed, not only changed together."""
    keys = sorted(
        key for key in _differing_keys(sweep) if all(map(_is_number, _values(sweep, key)))
    )
    return [pair for pair in combinations(keys, 2) if _is_crossed(sweep, *pair)]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Drop the group (`model.`) of each key if the rest is unique."""
    count = Counter(key.rpartition(".")[2] for key in keys)
    return {key: last if count[last := key.rpartition(".")[2]] == 1 else key for key in keys}


def value_of(configuration: Configuration, key: str) -> Any:
    """Return a number as it is, other values as text, `ABSENT` if there is no such key."""
    value = configuration.hyperparameters.get(key, ABSENT)
    if _is_number(value) or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def describe_settings(configuration: Configuration, keys: Sequence[str]) -> str:
    """Write settings as `heads=8, dropout=0.6`."""
    names = short_names(keys)
    values = {key: value_of(configuration, key) for key in keys}
    return ", ".join(f"{names[k]}={value}" for k, value in values.items() if value != ABSENT)


def _differing_keys(configurations: Sequence[Configuration]) -> set[str]:
    keys = {key for configuration in configurations for key in configuration.hyperparameters}
    return {key for key in keys if len(set(map(repr, _values(configurations, key)))) > 1}


def _values(configurations: Sequence[Configuration], key: str) -> list[Any]:
    return [value_of(configuration, key) for configuration in configurations]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_crossed(sweep: Sequence[Configuration], first: str, second: str) -> bool:
    """Whether some value of each key was combined with several of the other."""
    cells = set(zip(_values(sweep, first), _values(sweep, second), strict=True))
    rows, columns = Counter(a for a, _ in cells), Counter(b for _, b in cells)
    return max(rows.values()) > 1 and max(columns.values()) > 1
