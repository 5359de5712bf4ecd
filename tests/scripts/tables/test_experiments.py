"""The committed rows and the experiments of conf."""

from __future__ import annotations

from redditgnn.config.experiments import Experiments
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.splits import with_split
from redditgnn.record.reading import read_runs
from scripts import ROOT
from scripts.tables.experiments import RUNS, read_entries


def test_the_committed_rows_belong_to_the_experiments_as_they_are_now() -> None:
    """A changed experiment needs new rows: see `make reference`."""
    runs = read_runs([ROOT / RUNS])
    experiments = Experiments([ROOT / "conf"])
    entries = read_entries(runs, ROOT / "conf")
    for name, group in runs.groupby("experiment"):
        settings, target = experiments.compose(name)
        splits = (target and target.get("splits")) or 1
        on_splits = [with_split(settings, number) for number in range(splits)]
        now = {hash_of_config(each) for each in (on_splits if splits > 1 else [settings])}
        assert set(group.config_hash) == now, f"{name} has changed since its rows were made"
        counted = entries[name].runs
        assert len(counted) == (group.status == "completed").sum(), f"{name}: other data, or twice"
