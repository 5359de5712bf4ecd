"""Entry point: finds the command, and turns what it raises into a line and an exit code.

0 done, 1 a bug (traceback), 2 a mistake of the user's, 3 the run failed and is recorded as such,
4 a published number was not met, 130 interrupted, 141 the reader of our output went away.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import redditgnn
from redditgnn.errors import RunFailed, UserError
from redditgnn.runtime.logs import hide_third_party_warnings


class Command(NamedTuple):
    """Where a command lives, and what it does in half a line."""

    module: str
    summary: str


COMMANDS = {
    "train": Command("redditgnn.command.train", "train and evaluate one model, or a sweep (-m)"),
    "verify": Command("redditgnn.command.verify", "do published numbers hold here?"),
    "report": Command("redditgnn.command.report", "tables and plots of all runs, and one page"),
    "data": Command("redditgnn.command.data", "fetch, check and cache a dataset"),
    "list": Command("redditgnn.command.list_", "what can be chosen, one line each"),
    "doctor": Command("redditgnn.command.doctor", "what is installed, and what fits in memory"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `redditgnn` with `argv` (default: the process's arguments) and return its exit code."""
    hide_third_party_warnings()
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # a closed pipe shows here, not while the interpreter ends
        return code
    except KeyboardInterrupt:
        print("redditgnn: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes stdout once more at exit
        return 141
    except Exception as error:
        reported = _exit_code(error)
        if reported is None:
            raise
        print(f"redditgnn: {_told(error)}", file=sys.stderr)
        return reported


def help_of(name: str) -> str:
    """Read the help of a command from its source: importing it would take seconds."""
    spec = find_spec(COMMANDS[name].module)
    assert spec is not None, f"{COMMANDS[name].module} is missing"
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or COMMANDS[name].summary


def _run(argv: list[str]) -> int:
    name, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    if name in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if name in ("-V", "--version"):
        print(f"redditgnn {redditgnn.__version__}")
        return 0
    if name not in COMMANDS:
        raise UserError(_unknown(name))
    if "-h" in rest or "--help" in rest:
        print(help_of(name))
        return 0
    return int(import_module(COMMANDS[name].module).main(rest))


def _overview() -> str:
    commands = "\n".join(f"  {name:<8} {command.summary}" for name, command in COMMANDS.items())
    return f"""\
usage: redditgnn COMMAND [arguments]

Node classification on graphs from PubMed to Reddit: pick dataset, model and sampler by name.

commands:
{commands}

examples:
  redditgnn train model=sage sampler=neighbor
  redditgnn COMMAND --help

  --version  print the version"""


def _unknown(name: str) -> str:
    near = get_close_matches(name, COMMANDS, n=1)
    if near:
        return f"unknown command {name!r}; did you mean {near[0]!r}?"
    return f"unknown command {name!r}; choose from {', '.join(COMMANDS)}"


def _exit_code(error: Exception) -> int | None:
    """Return 2 or 3 for what is reported in one line, None for a bug."""
    if isinstance(error, RunFailed):
        return 3
    if isinstance(error, UserError) or _is_hydras(error):
        return 2
    return None


def _is_hydras(error: Exception) -> bool:
    """Whether Hydra refused the configuration; it was not loaded if the command needs none."""
    config = sys.modules.get("redditgnn.config.compose")
    return config is not None and isinstance(error, config.ConfigurationError)


def _told(error: Exception) -> str:
    return (
        sys.modules["redditgnn.config.compose"].one_line(error) if _is_hydras(error) else str(error)
    )
