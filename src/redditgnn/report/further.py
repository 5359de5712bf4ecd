"""Pages of other commands that lie beside the runs: communities, maps, evolution."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

PAGES = {"communities": "communities.html", "maps": "map.html", "evolution": "evolution.html"}
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
HEAD = 4096  # bytes that hold the title


class FurtherPage(NamedTuple):
    """A page, what its title says, and its address seen from the report."""

    folder: str
    title: str
    link: str


def further_pages(results_dir: Path, out: Path) -> Iterator[FurtherPage]:
    """Yield the pages in `results_dir`, in the order of their names."""
    for kind, name in PAGES.items():
        for page in sorted((results_dir / kind).glob(f"*/{name}")):
            folder = f"{kind}/{page.parent.name}"
            yield FurtherPage(folder, _title(page) or page.parent.name, link_to(page, out))


def link_to(page: Path, out: Path) -> str:
    """Return the address of a page, seen from a page in the folder `out`."""
    return quote(Path(os.path.relpath(page, out)).as_posix())


def _title(page: Path) -> str:
    """Return the title of a page, '' if it cannot be read or has none."""
    try:
        with page.open("rb") as file:
            found = TITLE.search(file.read(HEAD).decode(errors="replace"))
    except OSError:
        return ""
    return unescape(found[1]).strip() if found else ""
