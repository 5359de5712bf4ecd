"""What MkDocs calls while it builds the site: see mkdocs.yml.

Adds the pages that are generated, copies the files of the repository that pages link to, and lists
the decisions in the navigation. Nothing is written below docs/.
"""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts import ROOT
from scripts.docs.commands import with_help
from scripts.docs.keys import pages
from scripts.docs.links import COPIES, address_of, rewrite

DECISIONS = "decisions/index.md"
PAGES_OF_THE_REPOSITORY = (  # Markdown outside of docs/ that is a page of the site
    *("CHANGELOG.md", "CONTRIBUTING.md", "results/README.md", "results/bench/README.md"),
    "results/report/summary.md",
)
WIDE = ("results.md", "performance.md", "repository/results/report/summary.md")
"""Pages whose tables need the room of the table of contents."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List every decision below its heading in the navigation."""
    entries = [DECISIONS, *(f"decisions/{path.name}" for path in decisions())]
    assert config.nav is not None
    config.nav = [
        {"Decisions": entries} if entry == {"Decisions": DECISIONS} else entry
        for entry in config.nav
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files of docs/."""
    generated = {
        "index.md": (ROOT / "README.md").read_text(encoding="utf-8"),
        DECISIONS: decisions_page(),
        **pages(ROOT / "conf"),
    }
    for address, content in generated.items():
        files.append(File.generated(config, address, content=content))
    for path in PAGES_OF_THE_REPOSITORY:
        files.append(_copy(config, path))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the help of commands in its places, and lead links to where the site has the files."""

    def use(path: str) -> None:
        address = address_of(path)
        is_new = address.startswith(COPIES) and files.get_file_from_path(address) is None
        if is_new and (ROOT / path).is_file():  # else MkDocs says that the link leads nowhere
            files.append(_copy(config, path))

    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["toc"]
    return rewrite(with_help(markdown), page.file.src_uri, use)


def decisions() -> list[Path]:
    """Return the files of the decisions in their order."""
    return sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def decisions_page() -> str:
    """Return the list of all decisions by their titles."""
    lines = [f"- [{_title(path)}]({path.name})" for path in decisions()]
    introduction = "Why things are as they are: what was weighed, what was chosen, what follows."
    return "\n".join(["# Decisions\n", introduction, "", *lines, ""])


def _title(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ")


def _copy(config: MkDocsConfig, path: str) -> File:
    return File.generated(config, address_of(path), abs_src_path=str(ROOT / path))
