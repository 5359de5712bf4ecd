"""The runs of a verification: those that are in runs.csv, and those that are missing."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.config.splits import split_of
from redditgnn.errors import ConfigError, RunFailed, UserError
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.record.reading import files_of, read_runs
from redditgnn.record.rows import cells_of
from redditgnn.verify.repetitions import select_fingerprint
from redditgnn.verify.target import Target


class OnSplit(NamedTuple):
    """The settings of an experiment on one split, and the fingerprint of its data."""

    settings: Settings
    fingerprint: Fingerprint


def load_splits(settings: Settings, target: Target, name: str) -> list[OnSplit]:
    """Load the dataset with each split of the target of the experiment `name`.

    Raises:
        ConfigError: the number was not published for these data.
    """
    from redditgnn.parts import fingerprint_with_inputs  # it imports torch: the list does not

    splits = []
    for on_split in target.settings_by_split(settings):
        on_split.check()
        graph = on_split.build("dataset", Path(on_split.data_dir))
        fingerprint = fingerprint_with_inputs(on_split, graph).of_a_run(on_split.protocol_part)
        if differences := target.differences(fingerprint):
            raise ConfigError(
                f"experiment={name}: its published number is of other data: "
                f"{'; '.join(differences)} ({target.source})"
            )
        splits.append(OnSplit(on_split, fingerprint))
    return splits


def describe_data(splits: Sequence[OnSplit]) -> str:
    """Return the fingerprint, of several splits with their number."""
    first = splits[0].fingerprint
    if len(splits) == 1:
        return str(first)
    return f"{replace(first, split='')}, splits 0 to {len(splits) - 1}"


def completed_runs(splits: Sequence[OnSplit]) -> pd.DataFrame:
    """Return the completed runs on these splits, the first of each split and seed."""
    settings = splits[0].settings
    runs = read_runs(files_of(Path(settings.results_dir)))
    return pd.concat(
        [
            select_fingerprint(
                runs[runs.config_hash == hash_of_config(split.settings)], str(split.fingerprint)
            )
            for split in splits
        ]
    )


def run_missing(splits: Sequence[OnSplit], target: Target, num_seeds: int) -> list[str]:
    """Run the seeds below `num_seeds` that have no row, and return those that failed."""
    runs = completed_runs(splits)
    completed = set(zip(runs.config_hash, runs.seed, strict=True))
    missing = [
        (seed, split)
        for split in splits
        for seed in range(num_seeds)
        if (hash_of_config(split.settings), str(seed)) not in completed
    ]
    if missing:
        each = f"{len(splits)} splits x " if len(splits) > 1 else ""
        print(f"{each}{num_seeds} seeds, of which {len(missing)} have to be run", flush=True)
    failures = [_run_seed(replace(split.settings, seed=seed), target) for seed, split in missing]
    return [failure for failure in failures if failure]


def _run_seed(settings: Settings, target: Target) -> str:
    """Run one seed; return its failure or '', so that the other seeds still run."""
    from redditgnn.run.execution import run  # imports torch and PyG

    name = _name_run(settings, target)
    try:
        row, _ = run(settings)
    except RunFailed as error:
        print(f"redditgnn: {name}: {error}", file=sys.stderr)
        return f"{name} ({error.status})"
    except UserError:
        raise
    except Exception:
        traceback.print_exc()
        return f"{name} (failed)"
    score = 100 * cells_of(row)[target.metric]
    print(f"{name:<10}  {score:.2f} %, {row.wall_s:.1f} s", flush=True)
    return ""


def _name_run(settings: Settings, target: Target) -> str:
    seed = f"seed {settings.seed}"
    split = split_of(settings.components["dataset"])
    return seed if split is None or target.splits is None else f"split {split.number}, {seed}"
