"""The command line of 'redditgnn train -m'."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from redditgnn.errors import UserError
from redditgnn.runtime.logs import log_to_stderr

FLAGS = ("-m", "--multirun")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"train -m: {message}; the flags of a sweep are -m and --config-dir DIR")


def main(argv: Sequence[str]) -> int:
    """Run the sweep that `argv` describes, and return the exit code of its worst run."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument(*FLAGS, action="store_true")
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_intermixed_args(list(argv))
    log_to_stderr()
    from redditgnn.sweep.sweep import (
        run_sweep,  # imports torch, which a mistake above need not wait for
    )

    results = run_sweep(arguments.overrides, arguments.config_dir)
    return max((result.outcome.code for result in results), default=0)
