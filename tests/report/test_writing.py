"""The whole report: what is written, from which rows, and that nothing makes it crash."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from redditgnn.errors import DataError
from redditgnn.report.writing import write_report

FILES = ("summary.csv", "summary.md", "summary.tex", "index.html")


def made(results_dir: Path) -> Path:
    """Make the report and return its folder."""
    list(write_report(results_dir, results_dir / "report"))
    return results_dir / "report"


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_everything_is_written_and_a_row_stands_for_a_configuration(sweep):
    folder = sweep / "report"
    assert all((folder / name).stat().st_size for name in FILES)
    rows = table(folder)
    assert len(rows) == 5
    best = rows[0]
    assert best["against_best"] == "best"
    assert (best["model.heads"], best["model.dropout"]) == ("10", "0.6")
    assert float(best["test_micro_f1_mean"]) == pytest.approx(0.8606)
    assert [row["seeds"] for row in rows] == ["3"] * 5
    assert (rows[-1]["completed"], rows[-1]["oom"]) == ("3", "1")
    assert {path.name for path in (folder / "plots").iterdir()} == {
        f"toy-{name}.{kind}"
        for name in ("time", "memory", "matrix", "curves", "gat-full-dropout-heads")
        for kind in ("png", "svg")
    }


def test_the_page_needs_no_other_file_and_no_network(sweep):
    page = (sweep / "report" / "index.html").read_text()
    assert '<script src="' not in page
    assert '<link href="http' not in page
    assert page.count("plotly.js v") == 1


def test_the_same_rows_make_the_same_files(sweep):
    folder = sweep / "report"
    again = sweep / "again"
    list(write_report(sweep, again))
    for path in folder.rglob("*.*"):
        assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes(), path


def test_latex_has_booktabs_and_no_bare_special_sign(sweep):
    text = (sweep / "report" / "summary.tex").read_text()
    assert r"gcn\_50\%" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count("&") - line.count(r"\&") for line in rows}) == 1
    assert r"\textbf{gat}" in text


def test_a_long_table_is_broken_over_pages(write, row):
    rows = [row(f"{n}", 0, 0.5 + n / 100, settings={"model.heads": n}) for n in range(46)]
    text = (made(write(rows)) / "summary.tex").read_text()
    assert r"\begin{longtable}" in text
    assert r"\begin{tabular}" not in text


def test_markdown_has_a_section_a_group_and_as_many_cells_in_each_row(sweep):
    _, text = (sweep / "report" / "summary.md").read_text().split("## toy\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 5
    assert len({line.count("|") for line in rows}) == 1


def test_the_overview_comes_before_the_groups(sweep):
    text = (sweep / "report" / "summary.md").read_text()
    before, _ = text.split("## toy\n")
    assert "| toy | gat, full | 86.06 \N{PLUS-MINUS SIGN} 0.06 accuracy | 3 | none; " in before
    assert "| toy | **86.06 \N{PLUS-MINUS SIGN} 0.06** | 60.00 \N{PLUS-MINUS SIGN} 0.00 |" in before
    page = (sweep / "report" / "index.html").read_text()
    assert page.index("<h2>Overview</h2>") < page.index('<a href="#toy">') < page.index('id="toy"')


def test_an_overview_line_for_each_group_is_printed_before_the_files(write, row):
    rows = [row("a", 0), row("b", 0, dataset="other", fingerprint="edges=1")]
    results_dir = write(rows)
    _, head, *lines = write_report(results_dir, results_dir / "report")
    assert head.startswith("data ")
    assert [line.split()[0] for line in lines[:3]] == ["other", "toy", "wrote"]


def test_names_cannot_smuggle_markup_into_the_page(write, row):
    evil = "<img src=x onerror=alert(1)>"
    rows = [row("a", seed, experiment=evil, model=evil, dataset=evil) for seed in range(2)]
    folder = made(write(rows))
    assert evil not in (folder / "index.html").read_text()
    assert {path.parent for path in folder.rglob("*.png")} == {folder / "plots"}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"test": None, "status": "failed", "fingerprint": ""}, "There is nothing to show"),
        ({"test": None, "status": "failed"}, "No run has completed: there are no scores"),
        ({}, "no epochs.csv lies beside the runs"),
    ],
    ids=["no data", "no completed run", "one seed"],
)
def test_what_is_missing_is_said_in_words(write, row, cells, said):
    folder = made(write([row("a", 0, **cells)]))
    assert said in (folder / "index.html").read_text()


def test_a_results_dir_without_runs_makes_an_empty_report(tmp_path):
    folder = made(tmp_path)
    assert "0 rows of" in (folder / "index.html").read_text()
    assert table(folder) == []


def test_an_empty_table_of_runs_makes_an_empty_report(write, row):
    results_dir = write([row("a", 0)])
    path = results_dir / "runs.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert table(made(results_dir)) == []


def test_a_folder_that_cannot_be_written_is_named(write, row):
    results_dir = write([row("a", 0)])
    (results_dir / "file").write_text("")
    with pytest.raises(DataError, match="file/summary.csv cannot be written: .*; choose out=DIR"):
        list(write_report(results_dir, results_dir / "file"))
