"""The splits of a dataset. Settings that differ only in the split are one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings

INDEX, SEED = "split_index", "split_seed"  # keys of a dataset that number its splits
SPLIT_KEYS = (f"dataset.{INDEX}", f"dataset.{SEED}")
PUBLIC = "public"


class Split(NamedTuple):
    """One of several splits: the value of `dataset.split`, and the number among its splits."""

    rule: str
    number: int

    @property
    def key(self) -> str:
        """The key of the dataset that holds the number."""
        return INDEX if self.rule == PUBLIC else SEED


def split_of(dataset: Mapping[str, Any]) -> Split | None:
    """Return the split that the keys of a dataset choose, None if it has only one."""
    rule = dataset.get("split", PUBLIC)
    key = INDEX if rule == PUBLIC else SEED
    return Split(rule, dataset[key]) if key in dataset else None


def with_split(settings: Settings, number: int) -> Settings:
    """Return `settings` on another of the splits that `dataset.split` has."""
    dataset = settings.components["dataset"]
    split = split_of(dataset)
    if split is None:
        return settings
    dataset = {**dataset, split.key: number}
    return replace(settings, components={**settings.components, "dataset": dataset})


def hash_without_split(settings: Settings) -> str:
    """Hash every setting that a score may depend on, except the seed and the split's number."""
    dataset = settings.components["dataset"]
    kept = {key: value for key, value in dataset.items() if key not in (INDEX, SEED)}
    return hash_of_config(replace(settings, components={**settings.components, "dataset": kept}))
