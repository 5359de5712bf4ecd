"""The entry point: it runs a command, and turns errors into one line and an exit code.

0 success, 1 a bug (traceback), 2 a mistake of the user, 3 the run failed and its row says so,
4 a published number was not reproduced, 130 interrupted, 141 the reader of our output went away.
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
    """The module of a command, and half a line on what it does."""

    module: str
    summary: str


COMMANDS = {
    "train": Command("redditgnn.command.train", "train and evaluate one model, or a sweep (-m)"),
    "verify": Command("redditgnn.command.verify", "do published numbers hold here?"),
    "report": Command("redditgnn.command.report", "tables and plots of all runs, and one page"),
    "predict": Command("redditgnn.command.predict", "what a trained model says of every node"),
    "export": Command("redditgnn.command.export", "a trained model as a folder for plain PyG"),
    "diagnose": Command("redditgnn.command.diagnose", "where a model is right, and where wrong"),
    "smooth": Command("redditgnn.command.smooth", "a model's answers, corrected by known labels"),
    "communities": Command("redditgnn.command.communities", "groups of nodes, beside the labels"),
    "map": Command("redditgnn.command.map_", "all nodes in the plane, as a page to explore"),
    "evolve": Command("redditgnn.command.evolve", "a graph and its communities through time"),
    "embed": Command("redditgnn.command.embed", "a vector for each node, learned without labels"),
    "data": Command("redditgnn.command.data", "fetch, check and cache a dataset"),
    "list": Command("redditgnn.command.list_", "what can be chosen, one line each"),
    "doctor": Command("redditgnn.command.doctor", "what is installed, and what fits in memory"),
}


HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Torch reads it before its first tensor: "1" asks Linux for pages of 2 MiB under large tensors."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `redditgnn` with `argv` (default: the process's arguments) and return its exit code."""
    hide_third_party_warnings()
    os.environ.setdefault(HUGE_PAGES, "1")
    try:
        code = _run_command(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # a closed pipe raises here, not while the interpreter exits
        return code
    except KeyboardInterrupt:
        print("redditgnn: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes stdout once more at exit
        return 141
    except Exception as error:
        exit_code = _exit_code(error)
        if exit_code is None:
            raise
        print(f"redditgnn: {_describe_error(error)}", file=sys.stderr)
        return exit_code


def help_of(name: str) -> str:
    """Read the help of a command from its source, because importing it would take seconds."""
    spec = find_spec(COMMANDS[name].module)
    assert spec is not None, f"{COMMANDS[name].module} is missing"
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or COMMANDS[name].summary


def _run_command(argv: list[str]) -> int:
    name, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    if name in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if name in ("-V", "--version"):
        print(f"redditgnn {redditgnn.__version__}")
        return 0
    if name not in COMMANDS:
        raise UserError(_describe_unknown(name))
    if "-h" in rest or "--help" in rest:
        print(help_of(name))
        return 0
    return int(import_module(COMMANDS[name].module).main(rest))


def _usage() -> str:
    commands = "\n".join(f"  {name:<11} {command.summary}" for name, command in COMMANDS.items())
    return f"""\
usage: redditgnn COMMAND [arguments]

Node classification on graphs from PubMed to Reddit: pick dataset, model and sampler by name.

commands:
{commands}

examples:
  redditgnn train model=sage sampler=neighbor
  redditgnn COMMAND --help

  --version  print the version"""


def _describe_unknown(name: str) -> str:
    near = get_close_matches(name, COMMANDS, n=1)
    if near:
        return f"unknown command {name!r}; did you mean {near[0]!r}?"
    return f"unknown command {name!r}; choose from {', '.join(COMMANDS)}"


def _exit_code(error: Exception) -> int | None:
    """Return 2 or 3 for an error that is reported in one line, None for a bug."""
    if isinstance(error, RunFailed):
        return 3
    if isinstance(error, UserError) or _is_hydra_error(error):
        return 2
    return None


def _is_hydra_error(error: Exception) -> bool:
    """Whether Hydra refused the configuration. A command without one never loads that module."""
    config = sys.modules.get("redditgnn.config.compose")
    return config is not None and isinstance(error, config.ConfigurationError)


def _describe_error(error: Exception) -> str:
    return (
        sys.modules["redditgnn.config.compose"].one_line(error)
        if _is_hydra_error(error)
        else str(error)
    )
