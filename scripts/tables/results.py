"""Render docs/results.md, and README.md's matrix, from results/reference/runs.csv.

usage: python -m scripts.tables.results [--check]

docs/results.md holds every experiment that has rows: beside its published value and verdict, or
beside full batch where nothing is published; and METIS parts beside random ones. README.md shows
models against datasets between two markers. Rows count, and verdicts are those, of `redditgnn
verify`. --check only exits 1 if a file is stale.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from redditgnn.record.reading import read_runs
from redditgnn.verify.repetitions import count_runs
from redditgnn.verify.target import INCOMPLETE, Target
from redditgnn.verify.verdict import Sample, Verdict, judge
from scripts import ROOT
from scripts.tables.documents import commits, distinct, insert, table_row, update
from scripts.tables.experiments import RUNS, Entry, counted, read_entries

DOCUMENT = Path("docs/results.md")
BEGIN, END = "<!-- results: made by 'make table' -->", "<!-- end of results -->"
MODELS = {
    "mlp": "MLP",
    "gcn": "GCN",
    "sage": "GraphSAGE",
    "gat": "GAT",
    "gatv2": "GATv2",
    "appnp": "APPNP",
    "gcn2": "GCNII",
    "sgc": "SGC",
}
DATASETS = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}
SIGNS = {"REPRODUCED": "=", "ABOVE": "+", "BELOW": "-", "UNDECIDED": "?"}

LEGEND = """\
Test accuracy in percent at the epoch that validation chose: mean ± standard deviation over seeds
(n of them, if not 10), then the published value and the verdict of `redditgnn verify`: **=**
reproduced, **+** above, **-** below, **?** undecided; no sign: recalled from a paper that nobody
has opened again, so not judged."""
SUMMARY = """\
Of {total} targets that were run: {counts}. [docs/results.md](docs/results.md) has all of them with
intervals and the versions of the code, what a partition is worth, and other samplers beside full
batch on larger graphs. {machines}."""
TITLE = """\
# Results: every experiment that has been run

Made by `make table` from [results/reference/runs.csv](../results/reference/runs.csv). Test
scores in percent at the epoch that validation chose: mean ± sample standard deviation over seeds.
[verify.md](verify.md) says what the verdicts mean; differences have their 95 % interval by Welch.
s/epoch is the median over the runs of their median epoch, without evaluation, on one thread of a
machine that ran other jobs beside them: an order of magnitude, not a benchmark.
"""
PUBLISHED = """\
## Beside published values

Where the source gives no spread, our own is the margin (\\*). Trust: V read at the source, S
quoted by others from a paper, D derived, R recalled and not read again. Where an undecided verdict
asked for more seeds than `redditgnn verify` takes, the verdict on its own seeds is in brackets.

| experiment | sampler | published, % (source; trust) | ours, % | seeds | difference | verdict \
| s/epoch |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
SPLITS = """\
## Minesweeper beside the papers

ROC-AUC in percent, a seed on each split: n is splits x seeds, and deviations are over the splits.
[The experiments](../conf/experiment/minesweeper_gcn.yaml) say what departs from the papers.
`redditgnn verify experiment=minesweeper_gcn` runs what is missing.

| experiment | published, % (source; trust) | ours, % | n | difference | verdict | s/epoch |
| --- | --- | --- | --- | --- | --- | --- |"""
PARTS = """\
## What a partition is worth

Histories with METIS parts and with random ones, all else equal. "published" is the same difference
between the two published values, which are of different authors. For random parts on Cora nothing
is published on this split.

| model, dataset | METIS, % | random, % | METIS - random | published |
| --- | --- | --- | --- | --- |"""
OTHERS = """\
## Samplers beside full batch

Nothing is published under these settings. The difference is to the same model's full-batch runs.

| experiment | sampler | ours, % | seeds | difference to full batch | s/epoch |
| --- | --- | --- | --- | --- | --- |"""


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check the files of `root`; return the exit code."""
    remedy = f"{RUNS} says otherwise; run make table"
    return update("scripts.tables.results", remedy, render, argv, root)


def render(root: Path) -> dict[Path, str]:
    """Return the text of each file."""
    runs = read_runs([root / RUNS])
    entries = read_entries(runs, root / "conf")
    readme = root / "README.md"
    inside = "\n\n".join([matrix(entries), summary(runs, entries)])
    return {
        root / DOCUMENT: document(runs, entries),
        readme: insert(inside, readme, BEGIN, END),
    }


def matrix(entries: dict[str, Entry]) -> str:
    """Return models against datasets: full batch, and with histories."""
    head = "| " + " | ".join(["", *DATASETS.values()]) + " |\n|" + " --- |" * (1 + len(DATASETS))
    parts = []
    for title, suffix in (("full batch", ""), ("histories, METIS parts", "_gas")):
        parts += [f"| *{title}* |" + " |" * len(DATASETS)]
        for model, name in MODELS.items():
            of_model = [entries.get(f"{dataset}_{model}{suffix}") for dataset in DATASETS]
            if any(of_model):
                parts.append(table_row(name, *map(cell, of_model)))
    return "\n".join([head, *parts, "", LEGEND])


def cell(entry: Entry | None) -> str:
    """Return one score beside its published value, with the verdict as a sign."""
    if entry is None or entry.target is None or entry.verdict is None:
        return ""
    seeds = "" if len(entry.runs) == 10 else f" (n={len(entry.runs)})"
    sign = "" if entry.target.is_recalled else f" **{SIGNS[entry.verdict.name]}**"
    return f"{entry.ours}{seeds}; {entry.target.percent}{sign}"


def summary(runs: pd.DataFrame, entries: dict[str, Entry]) -> str:
    """Count the verdicts, and say what the runs were made on."""
    verdicts = Counter(
        "recalled" if entry.target.is_recalled else entry.outcome
        for entry in entries.values()
        if entry.target is not None and entry.verdict is not None
    )
    counts = ", ".join(
        f"{verdicts[name]} {name}" for name in (*SIGNS, INCOMPLETE, "recalled") if verdicts[name]
    )
    where = machines(counted(runs, entries))
    return SUMMARY.format(total=verdicts.total(), counts=counts, machines=where)


def document(runs: pd.DataFrame, entries: dict[str, Entry]) -> str:
    """Return docs/results.md."""
    with_target = [(e, e.target) for e in entries.values() if e.target is not None]
    judged = [judged_line(entry) for entry, target in with_target if target.splits is None]
    parts = [TITLE, "\n".join([PUBLISHED, *judged, ""])]
    if over_splits := [splits_line(entry) for entry, target in with_target if target.splits]:
        parts.append("\n".join([SPLITS, *over_splits, ""]))
    if pairs := parts_lines(entries):
        parts.append("\n".join([PARTS, *pairs, ""]))
    if other := other_lines(entries):
        parts.append("\n".join([OTHERS, *other, ""]))
    return "\n".join([*parts, provenance(runs, entries), ""])


def judged_line(entry: Entry) -> str:
    """Return the line of an experiment with a published value."""
    assert entry.target is not None
    assert entry.verdict is not None
    target = entry.target
    verdict = target.describe(entry.verdict)
    if entry.first is not None and not target.is_recalled:
        verdict += f" (seeds 0 to {target.num_seeds - 1}: {entry.first.name})"
    first = [entry.name, entry.runs.sampler.iloc[0], published(target), entry.ours]
    return table_row(*first, len(entry.runs), interval(entry.verdict), verdict, entry.seconds)


def splits_line(entry: Entry) -> str:
    """Return the line of an experiment whose published value is a mean over splits."""
    assert entry.target is not None
    assert entry.verdict is not None
    count = count_runs(entry.runs)
    verdict = entry.target.describe(entry.verdict, count.splits)
    first = [entry.name, published(entry.target), entry.ours, count]
    return table_row(*first, interval(entry.verdict), verdict, entry.seconds)


def published(target: Target) -> str:
    """Return a published value with its source."""
    shown = f"{target.percent}" + ("\\*" if target.spread is None else f" ± {target.spread}")
    return f"{shown} ({target.source}; {target.trust})"


def parts_lines(entries: dict[str, Entry]) -> list[str]:
    """Return a line for each experiment that was run with METIS parts and with random ones."""
    lines = []
    for name, metis in entries.items():
        random = entries.get(random_parts_of(name))
        if random is None:
            continue
        first = metis.runs.iloc[0]
        what = f"{MODELS[first.model]}, {DATASETS[first.dataset]}"
        loss = difference(metis.sample, random.sample)
        lines.append(table_row(what, metis.ours, random.ours, loss, published_loss(metis, random)))
    return lines


def random_parts_of(name: str) -> str:
    """Name the experiment that differs from `name` only in that parts are random."""
    return f"{name}_random"


def published_loss(metis: Entry, random: Entry) -> str:
    """Return the difference of the published values, if there are two."""
    if metis.target is None or random.target is None:
        return ""
    return f"{metis.target.percent - random.target.percent:+.2f}"


def other_lines(entries: dict[str, Entry]) -> list[str]:
    """Return a line for each experiment without a published value that no pair of parts shows."""
    shown = {random_parts_of(name) for name in entries}
    unpublished = [e for e in entries.values() if e.target is None and e.name not in shown]
    return [other_line(entry, entries) for entry in unpublished]


def other_line(entry: Entry, entries: dict[str, Entry]) -> str:
    """Return the line of an experiment without a published value."""
    sampler = entry.runs.sampler.iloc[0]
    full = entries.get(entry.name.removesuffix(f"_{sampler}"))
    compared = full is not None and full is not entry
    gain = difference(entry.sample, full.sample) if full and compared else ""
    return table_row(entry.name, sampler, entry.ours, len(entry.runs), gain, entry.seconds)


def difference(ours: Sample, other: Sample) -> str:
    """Return the difference of our own samples; without an interval if one is a single run."""
    if other.deviation is None:  # it would pass for exact
        return f"{ours.mean - other.mean:+.2f}"
    return interval(judge(ours, other))


def interval(verdict: Verdict) -> str:
    """Return a difference with its 95 % interval."""
    ends = verdict.interval
    bounds = f" [{ends.low:+.2f}, {ends.high:+.2f}]" if ends else ""
    return f"{verdict.difference:+.2f}{bounds}"


def provenance(runs: pd.DataFrame, entries: dict[str, Entry]) -> str:
    """Return one line: how many runs, on what, with which code, and what was left out."""
    rows = counted(runs, entries)
    failed = runs[runs.status != "completed"]
    failures = distinct(failed.experiment + " seed " + failed.seed + " " + failed.status) or "none"
    others = len(runs) - len(failed) - len(rows)
    return (
        f"{machines(rows)}; code: {commits(rows)}; one configuration and one dataset "
        "fingerprint (one a split) an experiment. Not counted: runs that did not complete: "
        f"{failures}; of other settings or data, or of a seed that is there already: {others}."
    )


def machines(runs: pd.DataFrame) -> str:
    """Say how many runs there are, on what and with which versions."""
    return (
        f"{len(runs)} runs on {distinct(runs.device_name)}, torch {distinct(runs.torch_version)}, "
        f"PyG {distinct(runs.pyg_version)}"
    )


if __name__ == "__main__":
    sys.exit(main())
