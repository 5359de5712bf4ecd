"""The evolution of a graph as one page, which opens from disk and asks for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from redditgnn.evolution.ages import side_by_side
from redditgnn.evolution.alluvial import HEIGHT, WIDTH
from redditgnn.evolution.charts import Series, chart
from redditgnn.evolution.description import SHARE
from redditgnn.evolution.evolution import Evolution
from redditgnn.evolution.pictures import MOST_HEADINGS, colour_of, shapes
from redditgnn.evolution.wording import (
    COLUMNS,
    Diagram,
    describe_changes,
    largest_events,
    readable,
    table_of_sizes,
)
from redditgnn.maps.page import fill_page

MOST_LINES = 8  # in a chart
CHARTS: Mapping[str, Sequence[str]] = {
    "Nodes": ("nodes", "new_nodes", "total_nodes"),
    "Edges": ("edges", "total_edges"),
    "Mean degree": ("mean_degree",),
    "Densification exponent": ("densification_exponent",),
    "Homophily": ("homophily", "adjusted_homophily"),
}
COMMUNITY_CHARTS: Mapping[str, Sequence[str]] = {
    "Stability of communities (AMI)": ("ami_previous", "ami_shuffled", "ami_noise"),
    "Communities and labels": ("ami_labels", "nmi_labels"),
    "Number of communities": ("communities",),
    "Modularity": ("modularity",),
}


def write_page(
    title: str, sentence: str, evolution: Evolution, diagram: Diagram | None, ages: pd.DataFrame
) -> str:
    """Return the page. The same evolution and the same scores by age give the same bytes."""
    parts = [] if diagram is None else [_communities(evolution, diagram)]
    parts += [] if ages.empty else [_scores(side_by_side(ages))]
    parts += [_description(evolution.table)]
    return fill_page(
        Path(__file__).with_name("page"),
        title=title,
        sentence=escape(sentence),
        sections="\n".join(parts),
    )


def _communities(evolution: Evolution, diagram: Diagram) -> str:
    shown, number = largest_events(evolution.events)
    left_out = f" The largest of {number:,}; events.csv has all." if number > len(shown) else ""
    return "\n".join(
        [
            "<h2>Communities through time</h2>",
            f"<p>{escape(describe_changes(evolution))}</p>",
            _headings(diagram),
            _svg(diagram),
            _legend(diagram.legend),
            "<p>A column is a snapshot, a block a community, and a band the nodes that two have in "
            "common. A colour is the same community through time. The legend has the id of each, "
            "and its most frequent label. Arrows move the focus.</p>",
            _charts(COMMUNITY_CHARTS, evolution.table),
            "<h3>Nodes of each community</h3>",
            _table(table_of_sizes(evolution.communities, diagram.alluvial, diagram.legend)),
            f"<h3>Events</h3><p>Numbers are ids of communities.{left_out}</p>",
            _table(shown),
        ]
    )


def _headings(diagram: Diagram) -> str:
    count, half = len(diagram.headings), 50 * diagram.alluvial.block_width / WIDTH
    step = (100 - 2 * half) / max(1, count - 1)
    spans = (
        f'<span class="{_side(number, count)}" style="left:{half + number * step:.2f}%">'
        f"{number + 1}<small>: {escape(diagram.headings[number])}</small></span>"
        for number in range(0, count, -(-count // MOST_HEADINGS))
    )
    return f'<div class="headings" aria-hidden="true">{"".join(spans)}</div>'


def _side(number: int, count: int) -> str:
    return "first" if number == 0 else "last" if number == count - 1 else ""


def _svg(diagram: Diagram) -> str:
    return (
        f'<svg id="alluvial" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" '
        'role="group" aria-label="Alluvial diagram of communities; the tables below say the same">'
        f"\n{shapes(diagram)}\n</svg>"
    )


def _legend(legend: Mapping[int, str]) -> str:
    buttons = (
        f'<button type="button" aria-pressed="false" data-ids="{community}">'
        f"{_swatch(community)}{escape(text)}</button>"
        for community, text in legend.items()
    )
    return f'<div class="legend">{"".join(buttons)}</div>'


def _swatch(colour: int) -> str:
    return f'<span class="swatch" style="background:{colour_of(colour)}"></span>'


def _description(table: pd.DataFrame) -> str:
    numbers = table[[name for name in table if not str(name).startswith(SHARE)]]
    return "\n".join(
        [
            "<h2>The graph through time</h2>",
            _charts({**CHARTS, **_label_chart(table)}, table),
            "<h3>Snapshots</h3>",
            _table(numbers.dropna(axis=1, how="all")),
        ]
    )


def _scores(table: pd.DataFrame) -> str:
    """Return the scores of models in the windows after their training."""
    windows = [name for name in table if str(name).startswith("window ")]
    series = [
        Series(
            f"{row['model']}, history {row['history']}, until {row['until']}, {row['update']}",
            _values(row[windows]),
        )
        for _, row in table.head(MOST_LINES).iterrows()
    ]
    more = f", {MOST_LINES} of {len(table)} configurations" * (len(table) > MOST_LINES)
    title = f"Scores after the end of training{more}"
    return "\n".join(
        [
            "<h2>Models through time</h2>",
            "<p>Runs of protocol=temporal are trained on what came until the time given. Where "
            "they are not frozen, each later window has a model that was trained until shortly "
            "before. In each window they see the edges of their history. Scores are means over "
            "runs.</p>",
            f'<div class="charts">{_drawn(title, series, "window")}</div>',
            _table(table.drop(columns="configuration")),
        ]
    )


def _label_chart(table: pd.DataFrame) -> dict[str, list[str]]:
    shares = table[[name for name in table if str(name).startswith(SHARE)]]
    largest = shares.mean().nlargest(MOST_LINES).index.tolist()
    more = f", the {len(largest)} largest of {shares.shape[1]}" * (shares.shape[1] > len(largest))
    return {f"Labels (share of labelled nodes{more})": largest}


def _charts(charts: Mapping[str, Sequence[str]], table: pd.DataFrame) -> str:
    figures = (_figure(title, columns, table) for title, columns in charts.items())
    return f'<div class="charts">{"".join(figure for figure in figures if figure)}</div>'


def _figure(title: str, columns: Sequence[str], table: pd.DataFrame) -> str:
    names = [name for name in columns if name in table and table[name].notna().any()]
    if not names:
        return ""
    return _drawn(title, [Series(_heading(name), _values(table[name])) for name in names])


def _drawn(title: str, series: Sequence[Series], place: str = "snapshot") -> str:
    words = "".join(
        f"<span>{_swatch(number)}{escape(line.name)}</span>"
        for number, line in enumerate(series)
        if len(series) > 1
    )
    drawn = chart(series, f"{title}; a table below has the numbers", place)
    return f'<figure><h3>{escape(title)}</h3>{drawn}<div class="names">{words}</div></figure>'


def _heading(name: str) -> str:
    return COLUMNS.get(name, name.removeprefix(SHARE))


def _values(column: pd.Series) -> list[float | None]:
    return [None if value != value else value for value in column.astype(float).tolist()]


def _table(table: pd.DataFrame) -> str:
    text = readable(table).to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format)
    return f'<div class="scroll" tabindex="0">{text}</div>'
