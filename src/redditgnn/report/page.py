"""The page index.html: one file that includes its libraries, tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

import redditgnn
from redditgnn.errors import ConfigError
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.report import interactive, page_table
from redditgnn.report.diagnosis import Diagnosis
from redditgnn.report.further import FurtherPage
from redditgnn.report.grouping import Group, Material
from redditgnn.report.noise import FEW_SEEDS, FEWEST_SEEDS
from redditgnn.report.overview import EXPLANATION, MATRIX_EXPLANATION, TITLES, Overview
from redditgnn.report.plots import Missing, Plot, slug_of
from redditgnn.report.reasons import Question
from redditgnn.report.scaling import EXPLANATION as EXPLANATION_OF_SCALES
from redditgnn.report.scaling import Scale, rows_of
from redditgnn.report.summary import Summary
from redditgnn.report.tables import LEGEND


class Section(NamedTuple):
    """A group with what is shown of it. `missing` are the plots that cannot be drawn."""

    summary: Summary
    plots: list[Plot]
    missing: list[Missing]
    diagnosis: Diagnosis | None
    question: Question | None
    scales: list[Scale]


def page_html(
    material: Material,
    overview: Overview,
    sections: Sequence[Section],
    sources: Sequence[str],
    further: Sequence[FurtherPage],
) -> str:
    """Return the page; `sources` are the files with the rows, `further` the pages it links."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["slug"] = slug_of
    template = environment.from_string(_read_template("page.html.jinja"))
    return template.render(
        style=Markup(_read_template("page.css")),
        version=redditgnn.__version__,
        sources=sources,
        material=material,
        overview=overview,
        titles=TITLES,
        explanation=EXPLANATION,
        matrix_explanation=MATRIX_EXPLANATION,
        further=further,
        sections=[_section_context(section, sections) for section in sections],
        plotly=Markup(interactive.plotly_js()) if any(s.plots for s in sections) else "",
        tables=Markup(page_table.assets()) if sections else "",
        legend=LEGEND,
        fewest=FEWEST_SEEDS,
        few=FEW_SEEDS,
    )


def _section_context(section: Section, sections: Sequence[Section]) -> dict[str, Any]:
    group = section.summary.group
    return {
        "group": group,
        "facts": _facts(group),
        "differences": _other_data(group, [other.summary.group for other in sections]),
        "table": Markup(page_table.table_html(section.summary)),
        "plots": [(plot, Markup(interactive.html_of(plot))) for plot in section.plots],
        "missing": section.missing,
        "diagnosis": section.diagnosis,
        "question": section.question,
        "scaling": rows_of(section.scales) if section.scales else [],
        "scaling_explanation": EXPLANATION_OF_SCALES,
    }


def _facts(group: Group) -> dict[str, str]:
    splits = {"splits": f"{group.num_splits:,}"} if group.num_splits > 1 else {}
    return {
        "runs": ", ".join(f"{count:,} {status}" for status, count in group.statuses.items()),
        "configurations": f"{len(group.configurations):,}",
        "protocol": group.protocol or "unknown",
        "fingerprint": group.fingerprint,
        **splits,
        "hardware": "; ".join(group.devices) or "unknown",
    }


def _other_data(group: Group, groups: Sequence[Group]) -> list[str]:
    """Describe how the data of a group differ from other groups of the same dataset."""
    texts = []
    for other in groups:
        if other is group or other.dataset != group.dataset:
            continue
        texts += [f"{other.name}: {text}" for text in _differences(group, other)]
    return texts


def _differences(group: Group, other: Group) -> list[str]:
    try:
        here, there = Fingerprint.parse(group.fingerprint), Fingerprint.parse(other.fingerprint)
    except ConfigError:  # an older version's form
        return []
    return here.differences(there)


def _read_template(name: str) -> str:
    return files("redditgnn.report").joinpath(name).read_text(encoding="utf-8")
