"""Options that the programs share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection
from pathlib import Path

from scripts.bench.cases.setup import Setup


def new_parser(program: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser for a program of this package, with the options of them all."""
    parser = argparse.ArgumentParser(
        prog=f"python -m scripts.bench.{program}", description=(doc or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, help="CSV (results/bench/DEVICE-PROGRAM.csv)")
    return parser


def add_place(parser: argparse.ArgumentParser, *, scale: float) -> None:
    """Add where to measure: data, size of the synthetic graph, device."""
    data_dir = os.environ.get("REDDITGNN_DATA", "data")
    parser.add_argument(
        "--scale", type=float, default=scale, help="of sbm; 1 is Reddit's size (%(default)s)"
    )
    parser.add_argument("--data-dir", type=Path, default=Path(data_dir))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])


def add_setup(
    parser: argparse.ArgumentParser, *, works: Collection[str], default: Collection[str]
) -> None:
    """Add the options of `setup_from`, and `--only` some of the `works`."""
    add_place(parser, scale=0.2)
    parser.add_argument("--dataset", default="sbm", help="option of the group dataset (sbm)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds at least (3)")
    parser.add_argument(
        "--budget-s", type=float, default=30, help="more rounds until this is spent (30)"
    )
    parser.add_argument("--memory-limit-gib", type=float, help="of each side (what is free)")
    parser.add_argument(
        "--only",
        type=names_of(works),
        default=[*default],
        metavar="WORK,...",
        help=f"of {', '.join(works)}",
    )


def setup_from(options: argparse.Namespace) -> Setup:
    """Return what `add_setup` asked for."""
    return Setup(
        dataset=options.dataset,
        scale=options.scale,
        data_dir=str(options.data_dir),
        device_name=options.device,
        repeats=options.repeats,
        budget_s=options.budget_s,
        memory_limit_gib=options.memory_limit_gib,
    )


def names_of(choices: Collection[str]) -> Callable[[str], list[str]]:
    """Return a parser of names with commas between them, which must be of `choices`."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := sorted({*names} - {*choices}):
            raise argparse.ArgumentTypeError(f"must be of {', '.join(choices)}; got {unknown[0]}")
        return names

    return parse


def numbers(text: str) -> list[float]:
    """Parse numbers with commas between them."""
    return [float(number) for number in text.split(",")]
