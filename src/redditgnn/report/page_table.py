"""The table of the page, by DataTables and itables, with a filter in the head of each column.

All cells are text. DataTables treats a column as numbers if each of its cells is one or empty.
"""

from __future__ import annotations

from html import escape

import pandas as pd
from itables import options, to_html_datatable
from itables.javascript import generate_init_offline_itables_html

from redditgnn.metric.base import Metric
from redditgnn.report.cells import (
    further_metrics,
    interval_in_percent,
    number,
    percent,
    score_name,
    statuses,
)
from redditgnn.report.grouping import Configuration, Cost, Group
from redditgnn.report.noise import Difference
from redditgnn.report.plots import slug_of
from redditgnn.report.settings import short_names, value_of
from redditgnn.report.summary import Entry, Summary
from redditgnn.verify.verdict import Sample, interval_of_mean

ROWS_OF_A_PAGE = 25
HIDDEN_AT_FIRST = ("its interval", "runs in common", "memory")
ALWAYS_SHOWN = {"model", "sampler", "n"}
CAPTION = "Configurations of {name} ({count})"


def assets() -> str:
    """Return the scripts and styles that all tables share."""
    return generate_init_offline_itables_html(options.dt_bundle)


def table_html(summary: Summary) -> str:
    """Return the table of a group."""
    frame = pd.DataFrame([_row(summary, entry) for entry in summary.entries], dtype=str)
    text = to_html_datatable(
        frame,
        caption=CAPTION.format(name=escape(summary.group.name), count=len(frame)),
        table_id=slug_of("table", summary.group.name),
        connected=False,
        display_logo_when_loading=False,
        showIndex=False,
        maxBytes=0,
        classes="display compact",
        style="width:100%;caption-side:top",
        columnDefs=[{"targets": _hidden_columns(frame, summary), "visible": False}],
        autoWidth=False,
        pageLength=ROWS_OF_A_PAGE,
        lengthMenu=[10, ROWS_OF_A_PAGE, 100, 1000],
        columnControl=["searchDropdown"],
        text_in_header_can_be_selected=False,
        layout={
            "topStart": "search",
            "topEnd": {"buttons": [{"extend": "colvis", "text": "Columns"}]},
            "bottomStart": "info",
            "bottomEnd": {"pageLength": {}, "paging": {}},
        },
    )
    return str(text)


def _hidden_columns(frame: pd.DataFrame, summary: Summary) -> list[int]:
    """Return the columns that are hidden at first: settings that names imply, and constants."""
    short = short_names([*summary.varying.swept, *summary.varying.others])
    scores = map(_score_title, further_metrics(summary.group))
    others = [short[key] for key in summary.varying.others]
    implied = {"config_hash", *HIDDEN_AT_FIRST, *scores, *others}
    constant = {name for name in frame if len(frame) > 1 and frame[name].nunique() == 1}
    return [
        place for place, name in enumerate(frame) if name in implied | (constant - ALWAYS_SHOWN)
    ]


def _row(summary: Summary, entry: Entry) -> dict[str, str]:
    """Return title and text of each cell, the most important first."""
    c = entry.configuration
    swept, others = summary.varying
    short = short_names([*swept, *others])
    return {
        "vs best": entry.verdict,
        "model": c.model,
        "sampler": c.sampler,
        **{short[key]: str(value_of(c, key)) for key in swept},
        **_score_cells(c, summary.group),
        **_further_scores(c, summary.group),
        **_comparison_cells(entry.difference or Difference(seeds=0)),
        **_cost_cells(c),
        "runs": statuses(c),
        "experiment": c.experiment,
        **{short[key]: str(value_of(c, key)) for key in others},
        "config_hash": c.config_hash,
    }


def _score_cells(configuration: Configuration, group: Group) -> dict[str, str]:
    val, test = configuration.sample(group.val_score), configuration.sample(group.test_score)
    return {
        f"val {group.metric.title}, %": _mean_percent(val),
        f"test {score_name(group)}, %": _mean_percent(test),
        "std": number(percent(test.deviation) if test else None, ".2f"),
        "95 % interval": interval_in_percent(interval_of_mean(test) if test else None),
        "n": str(configuration.run_count),
    }


def _score_title(metric: Metric) -> str:
    return f"test {metric.title}, %"


def _further_scores(configuration: Configuration, group: Group) -> dict[str, str]:
    """Return the test scores in the other metrics."""
    return {
        _score_title(metric): _mean_percent(configuration.sample(f"test_{metric.name}"))
        for metric in further_metrics(group)
    }


def _comparison_cells(difference: Difference) -> dict[str, str]:
    """Return cells that are empty for the best itself."""
    return {
        "difference": number(percent(difference.mean), "+.2f"),
        "its interval": interval_in_percent(difference.interval, "+.2f"),
        "p (Holm)": number(difference.p_holm, ".2g"),
        "runs in common": "" if difference.mean is None else str(difference.seeds),
    }


def _cost_cells(configuration: Configuration) -> dict[str, str]:
    """Return the costs on the device with the most runs."""
    costs: list[Cost | None] = [*configuration.costs]
    cost = costs[0] if costs else None
    others = len(costs) - 1
    return {
        "s/epoch": number(cost.epoch_s if cost else None, ".4f"),
        "peak MiB": number(cost.peak_mib if cost else None, ".0f"),
        "memory": cost.memory if cost else "",
        "device": (cost.device_name if cost else "") + (f", {others} more" if others > 0 else ""),
    }


def _mean_percent(sample: Sample | None) -> str:
    return number(percent(sample.mean) if sample else None, ".2f")
