"""Links from pages to files of the repository, which the site holds copies of.

A page of docs/ has the address that its path below docs/ says. Every other file of the repository
that a page links to or shows is copied to `repository/PATH`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import PurePosixPath

DOCS = "docs/"
COPIES = "repository/"
LINK = re.compile(r'(?P<before>\]\(|(?:src|href)=")(?P<path>[^)#"\s:]+)(?=[)#"])')
CODE = re.compile(r"(^```.*?^```|^(?: {4,}|\t).*?$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def address_of(path: str) -> str:
    """Return where the site has the file `path`, or the list of the pages of a folder of docs/."""
    if not path.startswith(DOCS):
        return f"{COPIES}{path}"
    page = path.removeprefix(DOCS)
    return page if PurePosixPath(page).suffix else f"{page}/index.md"


def path_of(address: str) -> str:
    """Return which file of the repository a page of the site is."""
    if address == "index.md":
        return "README.md"
    return address.removeprefix(COPIES) if address.startswith(COPIES) else f"{DOCS}{address}"


def rewrite(markdown: str, address: str, use: Callable[[str], None]) -> str:
    """Return a page with links that hold on the site; `use` is called with each linked file.

    `address` is that of the page. Links in code, and to other sites, stay.
    """
    folder = PurePosixPath(path_of(address)).parent

    def replaced(link: re.Match[str]) -> str:
        path = posixpath.normpath((folder / link["path"]).as_posix())
        use(path)
        return link["before"] + posixpath.relpath(address_of(path), posixpath.dirname(address))

    parts = CODE.split(markdown)
    return "".join(part if i % 2 else LINK.sub(replaced, part) for i, part in enumerate(parts))
