"""Rows of runs.csv that differ only in split and seed, which are one configuration.

The fingerprint of a row contains its split. So does its `config_hash`, as the number of the split.
The columns here leave both out. They are computed from rows, and written nowhere.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from redditgnn.config.hashing import is_hashed
from redditgnn.config.splits import PUBLIC, SPLIT_KEYS, Split, split_of
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.fingerprint import Fingerprint

NAMES = ("protocol", "dataset", "model", "sampler")


class RunCount(NamedTuple):
    """The number of `runs` that completed, of `splits` with `seeds` runs each that were begun."""

    runs: int
    splits: int
    seeds: int

    @classmethod
    def of(cls, runs: int, begun: Iterable[tuple[Hashable, Hashable]]) -> RunCount:
        """Count the splits and seeds of the runs that were begun, given as (split, seed)."""
        by_split = Counter(split for split, _ in set(begun))
        return cls(runs, len(by_split), max(by_split.values(), default=0))

    def __str__(self) -> str:
        """Write `3`, or with several splits `10 x 3`, and how many of these completed."""
        if self.splits < 2:
            return str(self.runs)
        return f"{self.splits} x {self.seeds}{self._incomplete}"

    @property
    def in_words(self) -> str:
        """The same in words, '' for one split."""
        if self.splits < 2:
            return ""
        seeds = f"{self.seeds} seed{'s' * (self.seeds != 1)}"
        return f"{self.splits} splits x {seeds}{self._incomplete}"

    @property
    def _incomplete(self) -> str:
        planned = self.splits * self.seeds
        return "" if self.runs == planned else f" ({self.runs} of {planned})"


def most_splits(sets: Sequence[AbstractSet[str]]) -> AbstractSet[str]:
    """Return the largest set of splits, of equal ones the most frequent.

    Only configurations that ran on all of these have means that compare.
    """
    return max(sets, key=lambda splits: (len(splits), sets.count(splits)), default=frozenset())


def data_of(fingerprint: str, rule: str | None) -> tuple[str, str]:
    """Divide a fingerprint into what all splits of a `rule` have in common, and the split.

    Sizes of drawn splits stay in common, because they follow from the rule. Those of public splits
    may differ. A dataset with only one split has no rule: nothing is left out then, nor is of the
    fingerprints of older versions.
    """
    try:
        parts = Fingerprint.parse(fingerprint)
    except ConfigError:
        return fingerprint, ""
    if rule is None or not fingerprint:
        return fingerprint, parts.split
    common = rule if rule == PUBLIC else f"{rule}:{parts.split.partition(':')[0]}"
    return str(replace(parts, split=common)), parts.split


def split_columns(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the columns `data`, `split`, `rule`, `number` and `configuration` of `rows`.

    Rows that share `configuration` differ in split and seed only. Those that share `data` differ in
    the data only by the split. If files changed, so that one number stands for two splits, `data`
    is the whole fingerprint: nothing is put together then.

    Raises:
        DataError: the hyperparameters of a row are not a JSON object.
    """
    settings = [settings_of(row) for row in rows]
    splits = [split_of(_dataset_keys(values)) for values in settings]
    pairs = [data_of(row["fingerprint"], s and s.rule) for row, s in zip(rows, splits, strict=True)]
    parts = [part for _, part in pairs]
    ambiguous = _ambiguous([data for data, _ in pairs], splits, parts)
    data = [
        row["fingerprint"] if data in ambiguous else data
        for row, (data, _) in zip(rows, pairs, strict=True)
    ]
    columns = {
        "data": data,
        "split": parts,
        "rule": [split.rule if split else "" for split in splits],
        "number": [split.number if split else None for split in splits],
        "configuration": _configurations(rows, settings, splits, data),
    }
    return pd.DataFrame(columns)


def _configurations(
    rows: Sequence[Mapping[str, Any]],
    settings: Sequence[Mapping[str, Any]],
    splits: Sequence[Split | None],
    data: Sequence[str],
) -> list[str]:
    """Hash what rows of all splits have in common.

    Where runs on one split have several values of `config_hash`, that counts too: they differ in
    something that the hyperparameters do not show.
    """
    hashes = [row["config_hash"] for row in rows]
    first: dict[str, str] = {}  # rows of one config_hash have the same settings
    for text, row, values in zip(hashes, rows, settings, strict=True):
        first.setdefault(text, _shared_settings(row, values))
    keys = [f"{one}\n{first[text]}" for one, text in zip(data, hashes, strict=True)]
    ambiguous = _ambiguous(keys, splits, hashes)
    return [
        _hash_text(f"{key}\n{text}" if key in ambiguous else key)
        for key, text in zip(keys, hashes, strict=True)
    ]


def _ambiguous(
    keys: Sequence[str], splits: Sequence[Split | None], values: Sequence[str]
) -> set[str]:
    """Return the keys for which one split has several values."""
    by_split: dict[tuple[str, Split | None], set[str]] = defaultdict(set)
    for key, split, value in zip(keys, splits, values, strict=True):
        if value:
            by_split[key, split].add(value)
    return {key for (key, _), different in by_split.items() if len(different) > 1}


def settings_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters of a row.

    Raises:
        DataError: they are not a JSON object.
    """
    try:
        values = json.loads(row["hyperparameters"] or "{}")
    except ValueError as error:
        values = error
    if not isinstance(values, dict):
        where = f"{row.get('file', 'runs.csv')}: hyperparameters of run {row['run_id']}"
        raise DataError(f"{where} are not a JSON object; remove that row")
    return values


def _dataset_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    keys = {key.partition(".")[::2]: value for key, value in settings.items()}
    return {key: value for (group, key), value in keys.items() if group == "dataset"}


def _shared_settings(row: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    kept = {
        key: value
        for key, value in settings.items()
        if key not in SPLIT_KEYS and is_hashed(key, value)
    }
    return json.dumps([[row[name] for name in NAMES], kept], sort_keys=True)


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
