"""Names of groups: the dataset, and which splits of it the runs are on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import pandas as pd

from redditgnn.config.splits import PUBLIC
from redditgnn.graph.fingerprint import short_hash


def group_names(by_key: Mapping[tuple[str, str], pd.DataFrame]) -> dict[tuple[str, str], str]:
    """Name each group after its dataset, with its splits or a hash of its data where that helps.

    A group whose models read embeddings has their name, too.
    """
    datasets = {
        key: str(rows.dataset.mode().iloc[0]) + _describe_inputs(*key)
        for key, rows in by_key.items()
    }
    names = {key: dataset + _describe_splits(by_key[key]) for key, dataset in datasets.items()}
    count = Counter(datasets.values())
    for key, dataset in datasets.items():
        if count[dataset] == 1 and set(by_key[key].number.dropna()) <= {0}:
            names[key] = dataset
    count = Counter(names.values())
    return {
        key: name if count[name] == 1 else f"{datasets[key]}-{short_hash(*key)}"
        for key, name in names.items()
    }


def _describe_inputs(fingerprint: str, _: str) -> str:
    """Return `, deepwalk` for features of the fingerprint such as `128:5c6757f5-deepwalk`."""
    inputs = re.search(r"features=\d+:\w+-(\S+)", str(fingerprint))
    return f", {inputs[1]}" if inputs else ""


def _describe_splits(rows: pd.DataFrame) -> str:
    """Return `, 10 splits` or `, split 3`, '' for a dataset with only one split."""
    numbers = rows.number.dropna().unique()
    if not len(numbers):
        return ""
    rule = rows.rule.iloc[0]
    name = "split" if rule == PUBLIC else f"{rule} split"
    return f", {len(numbers)} {name}s" if len(numbers) > 1 else f", {name} {numbers[0]:.0f}"


def place_name(
    device: str, device_name: str, num_threads: str, kernels_backend: str, processes: int
) -> str:
    """Name the place of a run; rows of older versions have no threads and no backend."""
    threads = f"{num_threads} thread{'s' * (num_threads != '1')}" if num_threads else ""
    backend = f"kernels.backend={kernels_backend}" if kernels_backend not in ("", "auto") else ""
    several = f"{processes} processes" if processes > 1 else ""
    parts = (device_name, several, threads if device == "cpu" else "", backend)
    return ", ".join(text for text in parts if text)
