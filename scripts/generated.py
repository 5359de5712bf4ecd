"""Files that a script makes from results: write them anew, or say that they are stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from redditgnn.errors import UserError

ROOT = Path(__file__).parents[1]


def main(
    script: str,
    remedy: str,
    made: Callable[[Path], dict[Path, str]],
    argv: Sequence[str] | None,
    root: Path,
) -> int:
    """Write what `made` says that the files of `root` hold, or only check it; return the exit code.

    `remedy` says what to do about a stale file.
    """
    parser = argparse.ArgumentParser(prog=script)
    parser.add_argument("--check", action="store_true", help="exit 1 if a file is stale")
    check = parser.parse_args(argv).check
    try:
        for path, new in made(root).items():
            stale = not path.exists() or path.read_text(encoding="utf-8") != new
            if check and stale:
                raise ValueError(f"{path.name} is stale, {remedy}")
            if stale:
                path.write_text(new, encoding="utf-8")
                print(f"{path.relative_to(root)} is made anew")
    except (OSError, ValueError, UserError) as error:
        print(f"{script}: {error}", file=sys.stderr)
        return 1
    return 0


def insert(made: str, path: Path, begin: str, end: str) -> str:
    """Return the text of `path` with `made` between the markers `begin` and `end`."""
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{path.name} has no line {begin} followed by {end}")
    return f"{before}{begin}\n{made}\n{end}{after}"


def line(*cells: object) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def commits(rows: pd.DataFrame) -> str:
    """Name the commits of all rows, and say which of them had uncommitted changes."""
    dirty = rows.dirty.astype(str).map({"True": " with uncommitted changes"}).fillna("")
    return listed(rows.commit.str[:7] + dirty)


def listed(values: pd.Series) -> str:
    """Name every distinct value once."""
    return ", ".join(sorted(set(values)))
