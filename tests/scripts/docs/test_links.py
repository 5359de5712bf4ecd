"""Links: on the site they lead to a page or to a copy of a file, in a checkout to the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import ROOT
from scripts.docs.links import CODE, LINK, path_of, rewrite

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "results").rglob("*.md")),
]


def rewritten(markdown: str, address: str) -> tuple[str, list[str]]:
    used: list[str] = []
    return rewrite(markdown, address, used.append), used


@pytest.mark.parametrize(
    ("address", "link", "expected"),
    [
        ("verify.md", "results.md", "results.md"),
        ("verify.md", "../results/README.md", "repository/results/README.md"),
        ("decisions/0019-report.md", "../report.md#plots", "../report.md#plots"),
        ("decisions/0019-report.md", "../../conf/train.yaml", "../reference/top-level.md"),
        ("models.md", "../conf/model", "reference/model.md"),
        ("models.md", "../conf/model/gat.yaml", "repository/conf/model/gat.yaml"),
        ("index.md", "docs/verify.md", "verify.md"),
        ("index.md", "docs/decisions", "decisions/index.md"),
        ("index.md", "LICENSE", "repository/LICENSE"),
        ("repository/results/README.md", "../docs/verify.md", "../../verify.md"),
        ("repository/results/README.md", "bench/README.md", "bench/README.md"),
        ("verify.md", "https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_a_link_leads_to_where_the_site_has_the_file(
    address: str, link: str, expected: str
) -> None:
    assert rewritten(f"see [it]({link}).", address)[0] == f"see [it]({expected})."


def test_pictures_are_copied_too() -> None:
    text, used = rewritten('![A](results/a.png) <img src="results/b.svg">', "index.md")
    assert text == '![A](repository/results/a.png) <img src="repository/results/b.svg">'
    assert used == ["results/a.png", "results/b.svg"]


def test_what_looks_like_a_link_in_code_stays() -> None:
    code = "a `[x](y.md)`\n\n```python\ncall[0](z.md)\n```\n\n    list[1](w.md)\n"
    assert rewritten(code, "verify.md") == (code, [])


def test_a_page_knows_its_file() -> None:
    assert path_of("index.md") == "README.md"
    assert path_of("decisions/0019-report.md") == "docs/decisions/0019-report.md"
    assert path_of("repository/results/README.md") == "results/README.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_checkout_lead_to_files(page: Path) -> None:
    prose = "".join(CODE.split(page.read_text(encoding="utf-8"))[::2])
    for link in LINK.finditer(prose):
        assert (page.parent / link["path"]).exists(), link["path"]


def test_the_readme_is_at_most_180_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 180
