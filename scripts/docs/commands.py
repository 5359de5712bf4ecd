"""The help of every command, put where a page asks for it by `<!-- help: NAME -->`."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

from redditgnn import cli

PLACE = re.compile(r"^<!-- help: (\w+) -->$", re.MULTILINE)
OVERVIEW = "redditgnn"
"""The name in a place that asks for the help of the program itself."""


def with_help(markdown: str) -> str:
    """Return `markdown` with the help of the commands in their places."""
    return PLACE.sub(lambda place: f"```text\n{help_text(place[1])}\n```", markdown)


def help_text(name: str) -> str:
    """Return what `redditgnn NAME --help` prints.

    Raises:
        ValueError: there is no such command.
    """
    if name != OVERVIEW and name not in cli.COMMANDS:
        raise ValueError(f"<!-- help: {name} -->: there is no such command")
    with redirect_stdout(io.StringIO()) as printed:
        cli.main(["--help"] if name == OVERVIEW else [name, "--help"])
    return printed.getvalue().strip()
