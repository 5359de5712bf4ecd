"""Put the reference results into README.md, as a table beside the published values.

usage: python scripts/results_table.py [--check]

Rewrites what is between the two markers in README.md from results/reference/runs.csv and the
`target` of every conf/experiment/*.yaml, and prints it; --check only exits 1 if that is stale.
Scores are the column test_accuracy of completed runs, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[1]
RUNS = Path("results/reference/runs.csv")
BEGIN, END = "<!-- results: made by 'make table' -->", "<!-- end of results -->"

HEADER = """\
| experiment | dataset / model / sampler | published, % | ours, % | seeds | compared | s/epoch |
| --- | --- | --- | --- | --- | --- | --- |"""
NOTE = """\
Test accuracy at the epoch with the best validation score: mean ± sample standard deviation over
seeds. Compared with the published mean: "within" one published standard deviation of it, "above"
or "below"; by our own standard deviation where none is published (\\*). s/epoch is the median over
the runs of their median epoch, without evaluation, on one thread of a machine that ran other jobs
beside them: an order of magnitude, not a benchmark."""


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check README.md of `root`; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit 1 if README.md is stale")
    check = parser.parse_args(argv).check
    try:
        made = report(read_runs(root / RUNS), read_targets(root / "conf" / "experiment"))
        readme = root / "README.md"
        old = readme.read_text(encoding="utf-8")
        new = insert(made, old, BEGIN, END)
        if check and new != old:
            raise ValueError(f"README.md is stale, {RUNS} says otherwise; run make table")
    except (OSError, ValueError) as error:
        print(f"results_table: {error}", file=sys.stderr)
        return 1
    if not check:
        readme.write_text(new, encoding="utf-8")
        print(made)
    return 0


def read_runs(path: Path) -> pd.DataFrame:
    """Read runs.csv as text, for a hash may look like a number, bar what is averaged."""
    runs = pd.read_csv(path, dtype=str, keep_default_na=False)
    for name in ("test_accuracy", "epoch_median_s"):
        runs[name] = pd.to_numeric(runs[name])  # NaN where a run did not get that far
    return runs


def read_targets(folder: Path) -> dict[str, Any]:
    """Return the published result of every experiment by its name."""
    targets = {path.stem: OmegaConf.load(path).target for path in sorted(folder.glob("*.yaml"))}
    if other := [name for name, target in targets.items() if target.metric != "test_accuracy"]:
        raise ValueError(f"target.metric of {other[0]} must be test_accuracy")
    return targets


def report(runs: pd.DataFrame, targets: dict[str, Any]) -> str:
    """Return table, note and provenance as Markdown."""
    if unknown := sorted({*runs.experiment} - {*targets}):
        raise ValueError(f"{RUNS} has runs of {unknown[0] or 'no experiment'}, not in conf")
    completed = runs[runs.status == "completed"]
    lines = [
        line(name, target, completed[completed.experiment == name])
        for name, target in targets.items()
    ]
    return "\n".join([HEADER, *lines, "", NOTE, "", provenance(runs, completed)])


def line(name: str, target: Any, runs: pd.DataFrame) -> str:
    """Return the table's row of one experiment."""
    spread = "\\*" if target.spread is None else f" ± {target.spread}"
    published = f"{target.percent}{spread} ({target.source})"
    if runs.empty:
        return f"| {name} | | {published} | not run | 0 | | |"
    require_repetitions(name, runs)
    what = " / ".join(runs.iloc[0][["dataset", "model", "sampler"]])
    mean, deviation = 100 * runs.test_accuracy.mean(), 100 * runs.test_accuracy.std(ddof=1)
    ours = f"{mean:.2f}" if len(runs) == 1 else f"{mean:.2f} ± {deviation:.2f}"
    judged = verdict(mean, target.percent, deviation if target.spread is None else target.spread)
    seconds = f"{runs.epoch_median_s.median():.3g}" if runs.device_name.nunique() == 1 else "mixed"
    return f"| {name} | {what} | {published} | {ours} | {len(runs)} | {judged} | {seconds} |"


def require_repetitions(name: str, runs: pd.DataFrame) -> None:
    """Refuse to average what is not one experiment, repeated with other seeds."""
    for column in ("fingerprint", "config_hash"):
        if (count := runs[column].nunique()) > 1:
            raise ValueError(f"{RUNS}: {name} has {count} values of {column}; average only one")
    if runs.seed.duplicated().any():
        seed = runs.seed[runs.seed.duplicated()].iloc[0]
        raise ValueError(f"{RUNS}: {name} has seed {seed} more than once; keep one row")
    if runs.test_accuracy.isna().any():
        raise ValueError(f"{RUNS}: {name} has a completed run without test_accuracy")


def verdict(mean: float, published: float, spread: float) -> str:
    """Say where `mean` lies, all in percent; "" if `spread` is NaN, as of a single run."""
    if pd.isna(spread):
        return ""
    difference = round(mean - published, 6)  # 79.0 - 0.7 is not 78.3 in binary
    if abs(difference) <= spread:
        return f"within ({difference:+.2f})"
    return f"{'above' if difference > 0 else 'below'} ({difference:+.2f})"


def provenance(runs: pd.DataFrame, completed: pd.DataFrame) -> str:
    """Return one line: how many runs, on what, with which code and data, and what was left out."""
    dirty = completed.dirty.map({"True": " with uncommitted changes"}).fillna("")
    data = completed.dataset + " " + completed.fingerprint
    rest = runs[runs.status != "completed"]
    left_out = listed(rest.experiment + " seed " + rest.seed + " " + rest.status) or "none"
    return (
        f"{len(completed)} runs on {listed(completed.device_name)}, torch "
        f"{listed(completed.torch_version)}, PyG {listed(completed.pyg_version)}; code: "
        f"{listed(completed.commit.str[:7] + dirty)}; one configuration and one dataset "
        f"fingerprint an experiment: {listed(data)}; runs that did not complete, not counted: "
        f"{left_out}."
    )


def listed(values: pd.Series) -> str:
    """Name every distinct value once."""
    return ", ".join(sorted(set(values)))


def insert(made: str, readme: str, begin: str, end: str) -> str:
    """Return `readme` with `made` between the markers `begin` and `end`."""
    before, found, rest = readme.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"README.md has no line {begin} followed by {end}")
    return f"{before}{begin}\n{made}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
