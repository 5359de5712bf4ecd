"""Links from pages to files of the repository, which the site holds copies of.

A page of docs/ has the address that its path below docs/ says. A folder of conf/, and
conf/train.yaml, have the page of their keys. Every other file of the repository that a page links
to or shows is copied to `repository/PATH`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import PurePosixPath

from scripts.docs.keys import FOLDER, GROUPS

DOCS = "docs/"
COPIES = "repository/"
KEYS = {
    "conf/train.yaml": f"{FOLDER}/top-level.md",
    **{f"conf/{group}": f"{FOLDER}/{group}.md" for group in (*GROUPS, "experiment")},
}
LINK = re.compile(r'(?P<before>\]\(|(?:src|href)=")(?P<path>[^)#"\s:]+)(?=[)#"])')
CODE = re.compile(r"(^```.*?^```|^(?: {4,}|\t).*?$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def address_of(path: str) -> str:
    """Return where the site has the file `path`, or what stands for a folder of docs/ or conf/."""
    if path in KEYS:
        return KEYS[path]
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
