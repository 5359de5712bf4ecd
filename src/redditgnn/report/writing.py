"""The files of a report, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from redditgnn import CONF_DIR
from redditgnn.config.experiments import Experiments
from redditgnn.errors import DataError
from redditgnn.record.reading import files_of, read_runs
from redditgnn.report.curves import ages_of, curves_of
from redditgnn.report.diagnosis import diagnosis_of
from redditgnn.report.further import further_pages
from redditgnn.report.grids import heat_maps_of, matrix_of
from redditgnn.report.grouping import material_of
from redditgnn.report.overview import overview_lines, overview_of
from redditgnn.report.page import Section, page_html
from redditgnn.report.plots import Missing, Plot
from redditgnn.report.printed import files_of_plot
from redditgnn.report.published import find_published, judge_published
from redditgnn.report.reasons import question_of
from redditgnn.report.scaling import TITLE, lines_of, scales_of, scaling_of
from redditgnn.report.scatter import scatters_of
from redditgnn.report.summary import Summary, summary_of, table_of
from redditgnn.report.tables import latex, markdown


def write_report(results_dir: Path, out: Path) -> Iterator[str]:
    """Write all files to `out`, and yield a line for the user after each step.

    Raises:
        DataError: runs.csv cannot be read, or `out` cannot be written.
    """
    sources = files_of(results_dir)
    material = material_of(read_runs(sources))
    summaries = [summary_of(group) for group in material.groups]
    experiments = Experiments([CONF_DIR])
    verdicts = {group.name: judge_published(group, experiments) for group in material.groups}
    overview = overview_of(summaries, verdicts)
    yield ", ".join(
        [
            _format_count(material.num_rows, "row"),
            _format_count(sum(len(summary.entries) for summary in summaries), "configuration"),
            _format_count(len(summaries), "group") + " of equal data and protocol",
        ]
    )
    yield from overview_lines(overview)
    texts = {
        "summary.csv": table_of(summaries).to_csv(index=False),
        "summary.md": markdown(summaries, overview),
        "summary.tex": latex(summaries),
    }
    for name, text in texts.items():
        _write_file(out / name, text.encode())
        yield f"wrote {out / name}"
    sections = [_build_section(summary, experiments, out) for summary in summaries]
    yield from (line for section in sections for line in _scaling_lines(section))
    further = list(further_pages(results_dir, out))
    page = page_html(material, overview, sections, [str(path) for path in sources], further)
    _write_file(out / "index.html", page.encode())
    yield f"wrote {out / 'index.html'}, {len(page) / 2**20:.1f} MiB"
    plots = [plot for section in sections for plot in section.plots]
    for plot in plots:
        for name, content in files_of_plot(plot):
            _write_file(out / "plots" / name, content)
    yield f"wrote {out / 'plots'}, {_format_count(len(plots), 'plot')} as PNG and SVG"


def _scaling_lines(section: Section) -> list[str]:
    if not section.scales:
        return []
    return [f"{section.summary.group.name}: {TITLE}", *lines_of(section.scales)]


def _build_section(summary: Summary, experiments: Experiments, out: Path) -> Section:
    plots = list(_build_plots(summary, experiments))
    scales = scales_of(summary.group, summary.varying.swept)
    if (scaling := scaling_of(summary.group, scales)) is not None:
        plots.append(scaling)
    return Section(
        summary=summary,
        plots=[plot for plot in plots if isinstance(plot, Plot)],
        missing=[plot for plot in plots if isinstance(plot, Missing)],
        diagnosis=diagnosis_of(summary, out),
        question=question_of(summary.group),
        scales=scales,
    )


def _build_plots(summary: Summary, experiments: Experiments) -> Iterator[Plot | Missing]:
    group, keys = summary.group, summary.varying.swept
    if not group.scored:
        return
    yield from scatters_of(group, keys, find_published(group, experiments))
    yield matrix_of(group, keys)
    yield curves_of(group, keys)
    if (ages := ages_of(group, keys)) is not None:
        yield ages
    yield from heat_maps_of(group, keys)


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _write_file(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}; choose out=DIR") from error
