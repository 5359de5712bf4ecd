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
    settings = [_parse_settings(row) for row in rows]
    splits = [split_of(_dataset_keys(values)) for values in settings]
    pairs = [data_of(row["fingerprint"], s and s.rule) for row, s in zip(rows, splits, strict=True)]
    changed = _changed_data(pairs, splits)
    first: dict[str, str] = {}  # rows of one config_hash have the same settings
    columns = []
    for row, values, split, (data, part) in zip(rows, settings, splits, pairs, strict=True):
        whole = row["fingerprint"] if data in changed else data
        shared = first.setdefault(row["config_hash"], _shared_settings(row, values))
        rule, number = split or ("", None)
        columns.append((whole, part, rule, number, _hash_texts(whole, shared)))
    return pd.DataFrame(columns, columns=["data", "split", "rule", "number", "configuration"])


def _changed_data(pairs: Sequence[tuple[str, str]], splits: Sequence[Split | None]) -> set[str]:
    """Return the data in which one number stands for several splits."""
    parts: dict[tuple[str, Split], set[str]] = defaultdict(set)
    for (data, part), split in zip(pairs, splits, strict=True):
        if split is not None and part:
            parts[data, split].add(part)
    return {data for (data, _), different in parts.items() if len(different) > 1}


def _parse_settings(row: Mapping[str, Any]) -> dict[str, Any]:
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


def _hash_texts(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
