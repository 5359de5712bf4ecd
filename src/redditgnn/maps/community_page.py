"""Communities as a page that opens from disk, and as drawings for papers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int64
from numpy import ndarray

from redditgnn.maps.community_drawings import blocks_svg, colour_of, quotient_svg
from redditgnn.maps.page import HERE, as_json, fill_page
from redditgnn.maps.picture import GREY, css_colour, number_colour
from redditgnn.maps.quotient import MOST, Quotient
from redditgnn.partition.results import Result
from redditgnn.partition.tables import label_table

MOST_ROWS = 500
COLUMNS = {
    "community": "community",
    "size": "nodes",
    "edges_inside": "edges inside",
    "edges_out": "edges out",
    "conductance": "conductance",
    "top_label": "top label",
    "purity": "share of it",
    "train_share": "train",
    "val_share": "val",
    "test_share": "test",
    "test_accuracy": "test accuracy",
    "test_error_share": "share of errors",
}
SHADES = ("purity", "conductance", "test_accuracy")
Colouring = dict[str, Any]


def community_files(result: Result, facts: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield names and texts of the page and the drawings. `facts` are shown at its top."""
    quotient, table = Quotient.of(result.communities.best.blocks), result.table()
    order, colourings = quotient.order(), list(_colourings(result, table[:MOST]))
    first = colourings[0]
    names = _names(table[:MOST])
    yield "quotient.svg", quotient_svg(quotient, first["colours"], first["legend"])
    yield "blocks.svg", blocks_svg(quotient, order, names, alone=True)
    data = {
        "names": names,
        "order": order.tolist(),
        "edges": quotient.edges.tolist(),
        "ratio": [[float(f"{value:.3g}") for value in row] for row in quotient.ratio],
        "colourings": colourings,
    }
    yield (
        "communities.html",
        fill_page(
            HERE / "communities",
            title=f"{result.graph.name}: {len(table):,} communities, {result.method['name']}",
            facts="\n".join(map(_fact, facts)),
            drawn=escape(_describe_drawn(quotient, table)),
            quotient=quotient_svg(quotient, first["colours"]),
            ties=_ties_table(quotient, names),
            blocks=blocks_svg(quotient, order, names, alone=False),
            confusion=_confusion(result),
            communities=_table(table),
            data=as_json(data),
        ),
    )


def _fact(fact: tuple[str, str]) -> str:
    return f"<div><dt>{escape(fact[0])}</dt><dd>{escape(fact[1])}</dd></div>"


def _describe_drawn(quotient: Quotient, table: pd.DataFrame) -> str:
    share = quotient.sizes.sum() / table["size"].sum()
    if len(table) == len(quotient.sizes):
        return f"All {len(table):,} communities are drawn."
    return (
        f"The {len(quotient.sizes)} largest of {len(table):,} communities are drawn, "
        f"with {share:.1%} of the nodes."
    )


def _names(table: pd.DataFrame) -> list[str]:
    if "top_label" not in table:
        return [str(number) for number in table.community]
    pairs = zip(table.community, table.top_label, strict=True)
    return [f"{number} ({label})" if label else str(number) for number, label in pairs]


def _colourings(result: Result, table: pd.DataFrame) -> Iterator[Colouring]:
    """Yield colours of the drawn communities, and a legend, for each column that gives some."""
    if result.labelled is None:
        colours = [colour_of(number) for number in table.community]
        yield {"name": "community", "colours": colours, "legend": []}
    else:
        code = {name: number for number, name in enumerate(result.labelled.classes)}
        colours = [colour_of(code[n]) if n else css_colour(GREY) for n in table.top_label]
        legend = dict.fromkeys(zip(colours, table.top_label.replace("", "none"), strict=True))
        yield {"name": COLUMNS["top_label"], "colours": colours, "legend": list(legend)}
    yield from (_shaded(table, name) for name in SHADES if name in table)


def _shaded(table: pd.DataFrame, name: str) -> Colouring:
    """Return the colours of numbers from 0 to 1."""
    shares = table[name].to_numpy(np.float64)
    known = np.isfinite(shares)
    colours = [
        css_colour(number_colour(share) if is_known else GREY)
        for share, is_known in zip(shares, known, strict=True)
    ]
    legend = [(css_colour(number_colour(share)), f"{share:.0%}") for share in (0.0, 0.5, 1.0)]
    unknown = [] if known.all() else [(css_colour(GREY), "unknown")]
    return {"name": COLUMNS[name], "colours": colours, "legend": legend + unknown}


def _ties_table(quotient: Quotient, names: Sequence[str]) -> str:
    """Return the table of what the quotient graph shows, the most edges first."""
    ties = quotient.ties()
    edges = quotient.edges[ties[:, 0], ties[:, 1]]
    rows = [
        [*(escape(names[end]) for end in (a, b)), f"{number:,}", f"{quotient.ratio[a, b]:.3g}"]
        for (a, b), number in sorted(zip(ties, edges, strict=True), key=lambda pair: -pair[1])
    ]
    return _html_table(["community", "other", "edges", "times as many as expected"], rows)


def _confusion(result: Result) -> str:
    """Return the table of communities and labels, or a sentence that there is none."""
    if result.labelled is None:
        return "<p>Nodes may have several labels, so communities have no table of labels.</p>"
    table = label_table(result.communities.best.membership, result.labelled)
    table = table[table.community < MOST]
    counts = table.pivot(index="community", columns="label", values="nodes").fillna(0)
    counts = counts[_ordered_labels(counts.to_numpy(np.int64), list(counts))]
    sizes = counts.sum(axis=1)
    head = "".join(f"<th>{escape(name or 'no label')}</th>" for name in counts)
    body = "\n".join(
        f"<tr><th>{number}</th>{''.join(map(_shade, row, row / sizes[number]))}</tr>"
        for number, row in counts.iterrows()
    )
    return (
        f'<table class="cells"><thead><tr><th>community</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _ordered_labels(counts: Int64[ndarray, "drawn labels"], labels: list[str]) -> list[str]:
    """Return the most frequent labels in the order of the communities that they are largest in."""
    frequent = np.argsort(-counts.sum(0), kind="stable")[:MOST]
    largest = counts.argmax(0)
    return [labels[i] for i in sorted(frequent, key=lambda label: (largest[label], label))]


def _shade(nodes: float, share: float) -> str:
    return f'<td style="--share:{share:.2f}">{nodes:,.0f}</td>' if nodes else "<td></td>"


def _table(table: pd.DataFrame) -> str:
    """Return a table with a button in each head, by which it is sorted."""
    shown = table[[name for name in COLUMNS if name in table]][:MOST_ROWS]
    heads = [f'<button type="button">{COLUMNS[name]}</button>' for name in shown]
    rows = [[_cell(value) for value in row] for row in shown.itertuples(index=False)]
    return _html_table(heads, rows)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3f}"
    return escape(value) if isinstance(value, str) else f"{value:,}"


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
