"""Documents that hold tables of results: render them again, or check that they are up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from redditgnn.errors import UserError


def update(
    program: str,
    remedy: str,
    render: Callable[[Path], dict[Path, str]],
    argv: Sequence[str] | None,
    root: Path,
) -> int:
    """Write the documents that `render` returns for `root`, or only check them; return exit code.

    `remedy` says what to do about a stale file.
    """
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--check", action="store_true", help="exit 1 if a file is stale")
    check = parser.parse_args(argv).check
    try:
        for path, text in render(root).items():
            stale = not path.exists() or path.read_text(encoding="utf-8") != text
            if check and stale:
                raise ValueError(f"{path.name} is stale, {remedy}")
            if stale:
                path.write_text(text, encoding="utf-8")
                print(f"{path.relative_to(root)} is updated")
    except (OSError, ValueError, UserError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    return 0


def insert(section: str, path: Path, begin: str, end: str) -> str:
    """Return the text of a file with `section` between the markers `begin` and `end`."""
    before, has_begin, rest = path.read_text(encoding="utf-8").partition(begin)
    _, has_end, after = rest.partition(end)
    if not (has_begin and has_end):
        raise ValueError(f"{path.name} has no line {begin} followed by {end}")
    return f"{before}{begin}\n{section}\n{end}{after}"


def table_row(*cells: object) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def commits(rows: pd.DataFrame) -> str:
    """Name the commits of all rows, and say which of them had uncommitted changes."""
    dirty = rows.dirty.astype(str).map({"True": " with uncommitted changes"}).fillna("")
    return distinct(rows.commit.str[:7] + dirty)


def distinct(values: pd.Series) -> str:
    """Name every distinct value once."""
    return ", ".join(sorted(set(values)))
