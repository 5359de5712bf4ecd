"""The report links the pages of other commands that lie beside the runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from redditgnn.report.further import further_pages
from redditgnn.report.writing import write_report


def put(results_dir: Path, page: str, text: str) -> None:
    path = results_dir / page
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_each_page_is_a_line_with_its_title_and_an_address_seen_from_the_report(
    tmp_path: Path,
) -> None:
    put(tmp_path, "maps/b 1/map.html", "<html><title>b &lt;1&gt;: pca</title>")
    put(tmp_path, "communities/a-leiden/communities.html", "<title>a: 3 communities</title>")
    put(tmp_path, "evolution/c/evolution.html", "no title")
    put(tmp_path, "maps/half written/map.npy", "")
    assert list(further_pages(tmp_path, tmp_path / "reports" / "new")) == [
        ("communities/a-leiden", "a: 3 communities", "../../communities/a-leiden/communities.html"),
        ("maps/b 1", "b <1>: pca", "../../maps/b%201/map.html"),
        ("evolution/c", "c", "../../evolution/c/evolution.html"),
    ]


def test_the_report_has_the_links_and_no_section_without_them(
    write: Callable[[list[dict]], Path], row: Callable[..., dict]
) -> None:
    results_dir = write([row("a", 0)])
    out = results_dir / "report"
    list(write_report(results_dir, out))
    assert "Looking into the data" not in (out / "index.html").read_text()
    put(results_dir, "maps/a/map.html", "<title>a &lt;b&gt;</title>")
    list(write_report(results_dir, out))
    page = (out / "index.html").read_text()
    assert '<a href="../maps/a/map.html">a &lt;b&gt;</a>' in page
    assert (out / "../maps/a/map.html").resolve().is_file()
