"""Make tables, plots and one page from runs.csv.

usage: redditgnn report [results_dir=DIR] [out=DIR]

examples:
  redditgnn report
  redditgnn report results_dir=elsewhere out=/tmp/report

Reads results_dir/runs.csv and results_dir/reference/runs.csv, and writes to out (by default
results_dir/report):

  index.html   tables to sort and filter, and all plots, in one file that needs no network
  summary.csv  a row for each configuration: scores over seeds, differences to the best, costs
  summary.md, summary.tex   the same for people, and for papers (booktabs)
  plots/       the plots as PNG and SVG, one column wide

Runs on different data, or of different protocols, are never in one table or plot. docs/report.md
explains the numbers: which differences are noise, what a heat map shows, what a line is.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from redditgnn.errors import ConfigError
from redditgnn.report.writing import write_report

KEYS = ("results_dir", "out")


def main(argv: Sequence[str]) -> int:
    """Write the report, print where it is, and return the exit code."""
    options = dict(map(_parse_option, argv))
    results_dir = Path(options.get("results_dir", "results"))
    if not results_dir.is_dir():
        raise ConfigError(f"results_dir={results_dir} must be a folder of runs, there is none")
    lines = list(write_report(results_dir, Path(options.get("out", results_dir / "report"))))
    print(*lines, sep="\n")  # at the end: a reader who closes the pipe stops no file
    return 0


def _parse_option(argument: str) -> tuple[str, str]:
    key, equals, value = argument.partition("=")
    if key not in KEYS:
        near = get_close_matches(key, KEYS, n=1)
        remedy = f"did you mean {near[0]}=DIR?" if near else "it takes results_dir=DIR and out=DIR"
        raise ConfigError(f"report: there is no key {key!r}; {remedy}")
    if not equals or not value:
        raise ConfigError(f"{key} must be a folder, got {argument!r}; write {key}=DIR")
    return key, value
