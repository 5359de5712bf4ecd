"""The splits of a job whose `dataset.split_index` is `all`: as many runs as the dataset has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from redditgnn.config.settings import ALL_SPLITS, Settings
from redditgnn.config.splits import INDEX, PUBLIC, split_of, with_split
from redditgnn.dataset.cache import conversion_facts
from redditgnn.errors import ConfigError, require

KEY = f"dataset.{INDEX}"


def means_all_splits(settings: Settings) -> bool:
    """Whether the settings stand for a run on each split."""
    return settings.components["dataset"].get(INDEX) == ALL_SPLITS


def count_splits(settings: Settings) -> int:
    """Load the dataset, and return how many splits its files have.

    Raises:
        UserError: it cannot be loaded, or does not say how many.
    """
    split = split_of(settings.components["dataset"])
    assert split is not None
    require(
        split.rule == PUBLIC,
        f"{KEY}={ALL_SPLITS} is for dataset.split={PUBLIC}, got dataset.split={split.rule}: splits "
        "that are drawn have seeds, so give these: dataset.split_seed=0,1,2",
    )
    first = with_split(settings, 0)
    first.check()
    graph = first.build("dataset", Path(first.data_dir))
    count = conversion_facts(graph).get("num_splits")
    if count is None:
        raise ConfigError(
            f"{KEY}={ALL_SPLITS}: {graph.cache_dir} is of an older version and does not say how "
            f"many splits there are; remove that folder, or give the numbers: {KEY}='range(10)'"
        )
    return int(count)


def choose_split(overrides: Sequence[str], number: int) -> list[str]:
    """Return `overrides` with one split in the place of all."""
    kept = [text for text in overrides if text.lstrip("+").partition("=")[0] != KEY]
    return [*kept, f"{KEY}={number}"]
