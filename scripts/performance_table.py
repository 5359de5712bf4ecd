"""Put what results/bench/*.csv measured into README.md: what is faster than what, and by how much.

usage: python scripts/performance_table.py [--check]

Rewrites what is between the two markers in README.md, and prints it; --check only exits 1 if that
is stale. Of repeated measurements of the same work on the same graph the latest counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

import generated
from generated import ROOT, insert

BENCH = Path("results/bench")
BEGIN, END = "<!-- performance: made by 'make performance' -->", "<!-- end of performance -->"
NOTHING = "Nothing has been measured yet: `make bench-kernels bench-step performance`."
PROGRAMS = {"kernels": "layers over the full graph", "step": "training, evaluation, sampling"}
HEADER = """\
| work | graph | side | median, s | time ratio | extra memory, MiB | error | times the floor |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
NOTE = """\
Sides take turns in one process, warm-up not counted: medians, in brackets the quantiles at 20 and
80 % and the number of rounds; ratios are of the same round. Extra memory is what a call peaks at
beyond its inputs and what its side keeps between calls. PyG trains as its examples/reddit.py does:
every layer on all nodes of the batch. Error: largest difference from float64, relative to the
largest value, of the output / of the gradient of the input. Floor: the bytes that must move if no
cache helps (`scripts/floors.py`), over the measured bandwidth of a copy. oom: out of memory."""
KEY = ["dataset", "work", "side", "device", "device_name"]
MACHINE = ["device_name", "num_threads", "memory_limit_gib", "torch_version", "pyg_version"]


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check README.md of `root`; return the exit code."""
    return generated.main(
        "performance_table", f"{BENCH}/*.csv say otherwise; run make performance", made, argv, root
    )


def made(root: Path) -> dict[Path, str]:
    """Return what README.md has to hold."""
    readme = root / "README.md"
    old = readme.read_text(encoding="utf-8")
    return {readme: insert(report(root / BENCH), old, BEGIN, END)}


def report(folder: Path) -> str:
    """Return the whole section as Markdown."""
    rows = read_rows(folder)
    parts = []
    for (device, name), of_machine in rows.groupby(["device", "device_name"]):
        for program, title in PROGRAMS.items():
            chosen = of_machine[of_machine.program == program]
            if len(chosen):
                parts.append(f"**{device.upper()}, {name}: {title}**\n\n{table(chosen)}")
    if parts:
        parts.append(NOTE)
    parts += [
        f"![Time against edges, {path.stem}]({(BENCH / path.name).as_posix()})"
        for path in sorted(folder.glob("*-scaling.svg"))
    ]
    return "\n\n".join(parts) or NOTHING


def read_rows(folder: Path) -> pd.DataFrame:
    """Read the latest row of every side of every piece of work."""
    paths = [path for name in PROGRAMS for path in sorted(folder.glob(f"*-{name}.csv"))]
    if not paths:
        return pd.DataFrame({"device": [], "device_name": [], "program": []})
    texts = {"commit": str, "other_versions": str, "note": str, "settings": str}
    rows = pd.concat(pd.read_csv(path, dtype=texts) for path in paths)
    rows = rows.sort_values("measured_at", kind="stable")
    return rows.drop_duplicates(KEY, keep="last").sort_index(kind="stable")


def table(rows: pd.DataFrame) -> str:
    """Return the verdict, the table and its provenance."""
    groups = rows.groupby(["work", "dataset"], sort=False)
    lines = [line(row) for _, group in groups for row in group.itertuples()]
    told = [sentence for _, group in groups for sentence in verdicts(group)]
    return "\n".join([*told, "", HEADER, *lines, "", provenance(rows)])


def verdicts(group: pd.DataFrame) -> list[str]:
    """Say how the sides of one piece of work compare with the reference."""
    first = group.iloc[0]
    sentences = []
    for row in group.itertuples():
        what = f"- {row.work} ({row.dataset}): {row.side}"
        if row.side == row.reference:
            continue
        if row.status != "completed":
            sentences.append(f"{what} could not be measured ({row.status}).")
        elif pd.isna(row.ratio):
            sentences.append(f"{what} has no time of {first.reference} to compare with.")
        else:
            sentences.append(
                f"{what} takes {row.ratio:.2f} times as long as {row.reference} "
                f"[{row.ratio_low:.2f}, {row.ratio_high:.2f}]: {judged(row)}."
            )
    return sentences


def judged(row: object) -> str:
    """Say which of the two is faster, if the quantiles agree."""
    if row.ratio_low > 1:
        return f"{row.reference} is faster"
    if row.ratio_high < 1:
        return f"**{row.reference} is slower**"
    return "no difference"


def line(row: object) -> str:
    """Return the table's row of one side."""
    where = f"| {row.work} | {row.dataset}, {row.edges:,} edges | {row.side} |"
    if row.status != "completed":
        return f"{where} {row.status} | | {_number(row.extra_mib, ',.0f')} | | |"
    seconds = f"{row.median_s:.3g} [{row.low_s:.3g}, {row.high_s:.3g}], n={row.n}"
    ratio = "" if pd.isna(row.ratio) else f"{row.ratio:.2f} of {row.reference}"
    errors = [_number(row.output_error, ".1e"), _number(row.gradient_error, ".1e")]
    floor = _number(row.median_s / row.floor_s, ".1f")
    return (
        f"{where} {seconds} | {ratio} | {_number(row.extra_mib, ',.0f')} | "
        f"{' / '.join(filter(None, errors))} | {floor} |"
    )


def provenance(rows: pd.DataFrame) -> str:
    """Return one line: on what machines, with which versions and code."""
    machines = []
    for key, part in rows.groupby(MACHINE, dropna=False):
        name, threads, limit, torch_version, pyg_version = key
        versions = {f"{k} {v}" for text in part.other_versions for k, v in json.loads(text).items()}
        bound = "" if pd.isna(limit) else f", limited to {limit:g} GiB"
        bandwidth = part.copy_gb_s.dropna()
        copied = f", copies at {bandwidth.median():.1f} GB/s" if len(bandwidth) else ""
        machines.append(
            f"{name}, {threads} threads{bound}{copied}; torch {torch_version}, PyG {pyg_version}, "
            f"{', '.join(sorted(versions))}"
        )
    return f"Measured on {'; '.join(machines)}; code: {_commits(rows)}."


def _commits(rows: pd.DataFrame) -> str:
    dirty = rows.dirty.astype(str).map({"True": " with uncommitted changes"}).fillna("")
    return ", ".join(sorted(set(rows.commit.str[:7] + dirty)))


def _number(value: float, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)


if __name__ == "__main__":
    sys.exit(main())
