"""Make docs/results.md and README.md's matrix from results/reference/runs.csv.

usage: python scripts/results_table.py [--check]

docs/results.md holds every experiment that has rows: beside its published value and verdict, or
beside full batch where nothing is published; and METIS parts beside random ones. README.md shows
models against datasets between two markers. Rows count, and verdicts are those, of `redditgnn
verify`. --check only exits 1 if a file is stale.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import generated
from generated import ROOT, commits, insert, line, listed
from redditgnn.config.experiments import Experiments
from redditgnn.config.hashing import hash_of_config
from redditgnn.record.reading import read_runs
from redditgnn.verify.repetitions import find_repetitions, percent_sample, select_fingerprint
from redditgnn.verify.target import Target, target_from
from redditgnn.verify.verdict import Sample, Verdict, judge, sample_of

RUNS, DOCUMENT = Path("results/reference/runs.csv"), Path("docs/results.md")
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
asked for more seeds than `redditgnn verify` takes, what the latter said is told behind it.

| experiment | sampler | published, % (source; trust) | ours, % | seeds | difference | verdict \
| s/epoch |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An experiment with the rows that count; `target` and `verdict` where one is published.

    `first` is what was said of the seeds that `redditgnn verify` takes, if there are more by now.
    """

    name: str
    runs: pd.DataFrame
    sample: Sample
    target: Target | None
    verdict: Verdict | None
    first: Verdict | None = None

    @property
    def ours(self) -> str:
        """Mean and deviation."""
        deviation = self.sample.deviation
        return f"{self.sample.mean:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")

    @property
    def seconds(self) -> str:
        """Seconds an epoch, if all runs were on one machine."""
        same = self.runs.device_name.nunique() == 1
        return f"{self.runs.epoch_median_s.median():.3g}" if same else "mixed"


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check the files of `root`; return the exit code."""
    return generated.main(
        "results_table", f"{RUNS} says otherwise; run make table", made, argv, root
    )


def made(root: Path) -> dict[Path, str]:
    """Return what the files have to hold."""
    runs = read_runs([root / RUNS])
    entries = read_entries(runs, root / "conf")
    readme = root / "README.md"
    inside = "\n\n".join([matrix(entries), summary(runs, entries)])
    return {
        root / DOCUMENT: document(runs, entries),
        readme: insert(inside, readme.read_text(encoding="utf-8"), BEGIN, END),
    }


def read_entries(runs: pd.DataFrame, config_dir: Path) -> dict[str, Entry]:
    """Return the experiments that have rows, by name."""
    known = Experiments([config_dir])
    if unknown := sorted({*runs.experiment} - {*known.names}):
        raise ValueError(f"{RUNS} has runs of {unknown[0] or 'no experiment'}, not in conf")
    present = {*runs.experiment}
    entries = (read_entry(name, runs, known) for name in known.names if name in present)
    return {entry.name: entry for entry in entries if entry is not None}


def read_entry(name: str, runs: pd.DataFrame, known: Experiments) -> Entry | None:
    """Collect the rows of one experiment as it is configured now; None if there are none."""
    settings, values = known.compose(name)
    config_hash = hash_of_config(settings)
    if values is not None:
        target = target_from(values, name)
        found = find_repetitions(runs, config_hash, target)
        if found.empty:
            return None
        sample = percent_sample(found, target)
        verdict = judge(sample, target.published)
        first = first_verdict(found, target)
        return Entry(
            name=name, runs=found, sample=sample, target=target, verdict=verdict, first=first
        )
    found = runs[(runs.status == "completed") & (runs.config_hash == config_hash)]
    if found.empty:
        return None
    found = select_fingerprint(found, found.fingerprint.iloc[-1])
    sample = sample_of(list(100 * found.test_accuracy))
    return Entry(name=name, runs=found, sample=sample, target=None, verdict=None)


def first_verdict(runs: pd.DataFrame, target: Target) -> Verdict | None:
    """Judge the seeds that were decided on before any were run; None if there are no others."""
    planned = runs[runs.seed.astype(int) < target.num_seeds]
    if len(planned) in (0, len(runs)):
        return None
    return judge(percent_sample(planned, target), target.published)


def matrix(entries: dict[str, Entry]) -> str:
    """Return models against datasets: full batch, and with histories."""
    head = "| " + " | ".join(["", *DATASETS.values()]) + " |\n|" + " --- |" * (1 + len(DATASETS))
    parts = []
    for title, suffix in (("full batch", ""), ("histories, METIS parts", "_gas")):
        parts += [f"| *{title}* |" + " |" * len(DATASETS)]
        for model, name in MODELS.items():
            found = [entries.get(f"{dataset}_{model}{suffix}") for dataset in DATASETS]
            if any(found):
                parts.append(f"| {name} | {' | '.join(map(cell, found))} |")
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
    told = Counter(
        "recalled" if entry.target.is_recalled else entry.verdict.name
        for entry in entries.values()
        if entry.target is not None and entry.verdict is not None
    )
    counts = ", ".join(f"{told[name]} {name}" for name in (*SIGNS, "recalled") if told[name])
    where = machines(counted(runs, entries))
    return SUMMARY.format(total=told.total(), counts=counts, machines=where)


def document(runs: pd.DataFrame, entries: dict[str, Entry]) -> str:
    """Return docs/results.md."""
    judged = [judged_line(e) for e in entries.values() if e.target is not None]
    parts = [TITLE, "\n".join([PUBLISHED, *judged, ""])]
    if pairs := parts_lines(entries):
        parts.append("\n".join([PARTS, *pairs, ""]))
    if other := other_lines(entries):
        parts.append("\n".join([OTHERS, *other, ""]))
    return "\n".join([*parts, provenance(runs, entries), ""])


def judged_line(entry: Entry) -> str:
    """Return the line of an experiment with a published value."""
    assert entry.target is not None
    assert entry.verdict is not None
    target, spread = entry.target, entry.target.spread
    shown = f"{target.percent}" + ("\\*" if spread is None else f" ± {spread}")
    published = f"{shown} ({target.source}; {target.trust})"
    told = target.describe(entry.verdict)
    if entry.first is not None and not target.is_recalled:
        told += f" (seeds 0 to {target.num_seeds - 1}: {entry.first.name})"
    cells = [entry.name, entry.runs.sampler.iloc[0], published, entry.ours, len(entry.runs)]
    return line(*cells, interval(entry.verdict), told, entry.seconds)


def parts_lines(entries: dict[str, Entry]) -> list[str]:
    """Return a line for each experiment that was run with METIS parts and with random ones."""
    lines = []
    for name, metis in entries.items():
        random = entries.get(random_parts_of(name))
        if random is None:
            continue
        first = metis.runs.iloc[0]
        what = f"{MODELS[first.model]}, {DATASETS[first.dataset]}"
        told = difference(metis.sample, random.sample)
        lines.append(line(what, metis.ours, random.ours, told, published_loss(metis, random)))
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
    told = difference(entry.sample, full.sample) if full and compared else ""
    return line(entry.name, sampler, entry.ours, len(entry.runs), told, entry.seconds)


def difference(ours: Sample, other: Sample) -> str:
    """Return the difference of our own samples; without an interval if one is a single run."""
    if other.deviation is None:  # it would pass for exact
        return f"{ours.mean - other.mean:+.2f}"
    return interval(judge(ours, other))


def interval(verdict: Verdict) -> str:
    """Return a difference with its 95 % interval."""
    ends = verdict.interval
    told = f" [{ends.low:+.2f}, {ends.high:+.2f}]" if ends else ""
    return f"{verdict.difference:+.2f}{told}"


def provenance(runs: pd.DataFrame, entries: dict[str, Entry]) -> str:
    """Return one line: how many runs, on what, with which code, and what was left out."""
    found = counted(runs, entries)
    failed = runs[runs.status != "completed"]
    told = listed(failed.experiment + " seed " + failed.seed + " " + failed.status) or "none"
    others = len(runs) - len(failed) - len(found)
    return (
        f"{machines(found)}; code: {commits(found)}; one configuration and "
        f"one dataset fingerprint an experiment. Not counted: runs that did not complete: {told}; "
        f"of other settings or data, or of a seed that is there already: {others}."
    )


def counted(runs: pd.DataFrame, entries: dict[str, Entry]) -> pd.DataFrame:
    """Return every row that counts, once."""
    rows = pd.concat([runs.iloc[:0], *(entry.runs for entry in entries.values())])
    return rows[~rows.index.duplicated()]


def machines(found: pd.DataFrame) -> str:
    """Say how many runs there are, on what and with which versions."""
    return (
        f"{len(found)} runs on {listed(found.device_name)}, torch {listed(found.torch_version)}, "
        f"PyG {listed(found.pyg_version)}"
    )


if __name__ == "__main__":
    sys.exit(main())
