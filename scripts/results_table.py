"""Put the reference results into README.md, as a table beside the published values.

usage: python scripts/results_table.py [--check]

Rewrites what is between the two markers in README.md from results/reference/runs.csv and the
`target` of every conf/experiment/*.yaml, and prints it; --check only exits 1 if that is stale.
Rows count, and verdicts are those, of `redditgnn verify`; experiments without rows are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from redditgnn.config import compose_experiment, hash_of_config, targets_in
from redditgnn.errors import UserError
from redditgnn.results import percents, read_runs, repetitions
from redditgnn.target import Target, target_from
from redditgnn.verdict import judge

ROOT = Path(__file__).parents[1]
RUNS = Path("results/reference/runs.csv")
BEGIN, END = "<!-- results: made by 'make table' -->", "<!-- end of results -->"

HEADER = """\
| experiment | dataset / model / sampler | published, % (trust) | ours, % | seeds \
| 95 % interval of the difference | verdict | s/epoch |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
NOTE = """\
Test scores at the epoch that validation chose: mean ± sample standard deviation over seeds.
[docs/verify.md](docs/verify.md) says what the verdicts mean; where the source gives no spread, our
own is the margin (\\*). Trust: V read at the source, S quoted by others from a paper, D derived, R
recalled and not read again. s/epoch is the median over the runs of their median epoch, without
evaluation, on one thread of a machine that ran other jobs beside them: an order of magnitude, not a
benchmark."""


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check README.md of `root`; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit 1 if README.md is stale")
    check = parser.parse_args(argv).check
    try:
        made = report(read_runs([root / RUNS]), root / "conf")
        readme = root / "README.md"
        old = readme.read_text(encoding="utf-8")
        new = insert(made, old, BEGIN, END)
        if check and new != old:
            raise ValueError(f"README.md is stale, {RUNS} says otherwise; run make table")
    except (OSError, ValueError, UserError) as error:
        print(f"results_table: {error}", file=sys.stderr)
        return 1
    if not check:
        readme.write_text(new, encoding="utf-8")
        print(made)
    return 0


def report(runs: pd.DataFrame, config_dir: Path) -> str:
    """Return table, note and provenance as Markdown."""
    known = targets_in(config_dir)
    if unknown := sorted({*runs.experiment} - {*known}):
        raise ValueError(f"{RUNS} has runs of {unknown[0] or 'no experiment'}, not in conf")
    counted, lines = [runs.iloc[:0]], []
    for name in (name for name, values in known.items() if values is not None):
        settings, values = compose_experiment([f"experiment={name}"], config_dir)
        target = target_from(values, name)
        found = repetitions(runs, hash_of_config(settings), target)
        if not found.empty:
            counted.append(found)
            lines.append(line(name, target, found))
    return "\n".join([HEADER, *lines, "", NOTE, "", provenance(runs, pd.concat(counted))])


def line(name: str, target: Target, runs: pd.DataFrame) -> str:
    """Return the table's row of one experiment."""
    spread = "\\*" if target.spread is None else f" ± {target.spread}"
    published = f"{target.percent}{spread} ({target.source}; {target.trust})"
    what = " / ".join(runs.iloc[0][["dataset", "model", "sampler"]])
    sample = percents(runs, target)
    ours = f"{sample.mean:.2f}" + (f" ± {sample.deviation:.2f}" if len(runs) > 1 else "")
    verdict = judge(sample, target.published)
    ends = verdict.interval
    interval = f"[{ends.low:+.2f}, {ends.high:+.2f}]" if ends else ""
    told = target.told(verdict)
    seconds = f"{runs.epoch_median_s.median():.3g}" if runs.device_name.nunique() == 1 else "mixed"
    cells = (name, what, published, ours, len(runs), interval, told, seconds)
    return f"| {' | '.join(map(str, cells))} |"


def provenance(runs: pd.DataFrame, counted: pd.DataFrame) -> str:
    """Return one line: how many runs, on what, with which code, and what was left out."""
    dirty = counted.dirty.map({"True": " with uncommitted changes"}).fillna("")
    failed = runs[runs.status != "completed"]
    told = listed(failed.experiment + " seed " + failed.seed + " " + failed.status) or "none"
    others = len(runs) - len(failed) - counted.index.nunique()
    return (
        f"{counted.index.nunique()} runs on {listed(counted.device_name)}, torch "
        f"{listed(counted.torch_version)}, PyG {listed(counted.pyg_version)}; code: "
        f"{listed(counted.commit.str[:7] + dirty)}; one configuration and one dataset fingerprint "
        f"an experiment. Not counted: runs that did not complete: {told}; of other settings or "
        f"data, or of a seed that is there already: {others}."
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
