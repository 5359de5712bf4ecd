"""The summary as Markdown and as LaTeX, with the settings that a reader must know."""

from __future__ import annotations

import re
from collections.abc import Sequence

from redditgnn.report.cells import (
    interval_in_percent,
    mean_and_spread,
    number,
    percent,
    score_name,
    statuses,
)
from redditgnn.report.grouping import Cost
from redditgnn.report.noise import WITHIN_NOISE
from redditgnn.report.overview import (
    ALMOST_EQUAL,
    EXPLANATION,
    MATRIX_EXPLANATION,
    TITLES,
    ModelScore,
    Overview,
)
from redditgnn.report.settings import describe_settings
from redditgnn.report.summary import Entry, Summary
from redditgnn.verify.verdict import interval_of_mean

MOST_ROWS = 45  # of a LaTeX table that fits on a page
LEGEND = (
    "Scores are percent: mean and sample standard deviation over n runs, and the 95 % confidence "
    "interval of the mean (Student's t). Runs of a configuration have different seeds. Where n is "
    "10 x 3 they are 3 runs on each of 10 splits, and the deviation is of splits and seeds "
    "together. The best has the best mean validation score, in the metric of the group. The others "
    "are compared with it on the test nodes, run by run with equal split and seed: a paired t test "
    "with Holm's correction. Within noise: the runs show no difference, which does not say that "
    "there is none. Undecided: there are too few runs to say even that."
)
TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
TEXTS = ("model", "sampler", "settings", "runs")


def markdown(summaries: Sequence[Summary], overview: Overview) -> str:
    """Write the overview, and a section for each group."""
    parts = ["# Summary of the runs"]
    if overview.rows:
        scores = [[row.name, *map(_markdown_score, row.scores)] for row in overview.rows]
        parts += ["## Overview", EXPLANATION]
        parts += [_markdown_table([TITLES, *(row.cells for row in overview.rows)])]
        parts += [MATRIX_EXPLANATION, _markdown_table([["data", *overview.models], *scores])]
    parts += ["## How to read the tables of the groups", LEGEND]
    for summary in summaries:
        table = _markdown_table(_table_rows(summary))
        parts += [f"## {summary.group.name}", _describe_group(summary), table]
    return "\n\n".join(parts) + "\n"


def _markdown_table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(map(_escape_markdown, line))} |" for line in lines)


def _markdown_score(score: ModelScore) -> str:
    if score.is_best:
        return f"**{score.text}**"
    return f"{score.text} {ALMOST_EQUAL}" if score.is_within_noise else score.text


def latex(summaries: Sequence[Summary]) -> str:
    """Write a booktabs table for each group, a longtable if it does not fit on a page."""
    tables = map(_latex_table, summaries)
    return "\n\n".join([r"% Needs \usepackage{booktabs,longtable}.", *tables]) + "\n"


def _table_rows(summary: Summary) -> list[list[str]]:
    """Return the head and a row for each entry; the first cell is the verdict."""
    group, has_settings = summary.group, bool(summary.varying.swept)
    test = f"test {score_name(group)}, %"
    head = ["", "model", "sampler", "settings", test, "95 % interval", "n"]
    head += [f"val {group.metric.title}, %", "difference", "p (Holm)"]
    head += ["s/epoch", "peak MiB", "runs"]
    lines = [head, *(_entry_cells(summary, entry) for entry in summary.entries)]
    return lines if has_settings else [line[:3] + line[4:] for line in lines]


def _entry_cells(summary: Summary, entry: Entry) -> list[str]:
    c, difference = entry.configuration, entry.difference
    test = c.sample(summary.group.test_score)
    cost = c.costs[0] if c.costs else None
    return [
        entry.verdict,
        c.model,
        c.sampler,
        describe_settings(c, summary.varying.swept),
        mean_and_spread(test),
        interval_in_percent(test and interval_of_mean(test)),
        str(c.run_count),
        mean_and_spread(c.sample(summary.group.val_score)),
        number(percent(difference.mean) if difference else None, "+.2f"),
        number(difference.p_holm if difference else None, ".2g"),
        number(cost.epoch_s if cost else None, ".3g"),
        _memory_cell(cost),
        statuses(c),
    ]


def _memory_cell(cost: Cost | None) -> str:
    return "" if cost is None or cost.peak_mib is None else f"{cost.peak_mib:.0f} {cost.memory}"


def _describe_group(summary: Summary) -> str:
    group, others = summary.group, len(summary.varying.others)
    about = f"Data `{group.fingerprint}`, protocol {group.protocol or 'unknown'}."
    if group.num_splits > 1:
        about += f" Runs are on {group.num_splits} splits."
    if others:
        about += f" {others} settings that come with model or sampler are in summary.csv."
    return about


def _escape_markdown(text: str) -> str:
    return text.replace("|", r"\|")


def _latex_table(summary: Summary) -> str:
    all_completed = set(summary.group.statuses) <= {"completed"}
    head, *body = (line[1:-1] if all_completed else line[1:] for line in _table_rows(summary))
    lines = [_latex_row(*pair) for pair in zip(body, summary.entries, strict=True)]
    form = "".join("l" if title in TEXTS else "r" for title in head)
    heads = [r"\toprule", " & ".join(map(_escape_tex, head)) + r" \\", r"\midrule"]
    if len(lines) <= MOST_ROWS:
        return "\n".join(
            [
                *(r"\begin{table}", r"\centering", _caption(summary), r"\small"),
                *(rf"\begin{{tabular}}{{{form}}}", *heads, *lines, r"\bottomrule"),
                *(r"\end{tabular}", r"\end{table}"),
            ]
        )
    top = [rf"\begin{{longtable}}{{{form}}}", _caption(summary) + r" \\", *heads, r"\endhead"]
    return "\n".join([*top, r"\bottomrule", r"\endfoot", *lines, r"\end{longtable}"])


def _caption(summary: Summary) -> str:
    group = summary.group
    label = re.sub(r"[^a-z0-9]+", "-", group.name.lower())
    about = _escape_tex(f"{group.name}, {group.protocol or 'unknown'} protocol. ")
    marks = r"\textbf{Bold}: best by validation; $\sim$: within noise of it. "
    return rf"\caption{{{about}{marks}{_escape_tex(LEGEND)}}}\label{{tab:{label}}}"


def _latex_row(line: list[str], entry: Entry) -> str:
    cells = [_escape_tex(text) for text in line]
    if entry.is_best:
        cells = [rf"\textbf{{{cell}}}" if cell else "" for cell in cells]
    elif entry.verdict == WITHIN_NOISE:
        cells[0] = rf"$\sim$ {cells[0]}"
    return " & ".join(cells) + r" \\"


def _escape_tex(text: str) -> str:
    return "".join(TEX.get(sign, sign) for sign in text)
