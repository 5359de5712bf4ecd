"""Runs of several processes, each started as torchrun does, and what they leave."""

from __future__ import annotations

import csv
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LAUNCHED = Path(__file__).parents[1] / "launched.py"
LIMIT_S = 100


def start_ranks(fork: Callable[..., Any], commands: Sequence[Sequence[str]]) -> list[Any]:
    """Start a process for each command, rank 0 first, and tell all of them where they meet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = str(len(commands)), str(free.getsockname()[1])
    return [
        fork(str(rank), *place, *command, script=LAUNCHED) for rank, command in enumerate(commands)
    ]


def codes_of(processes: list) -> list[int]:
    deadline = time.monotonic() + LIMIT_S
    return [process.wait(max(0.1, deadline - time.monotonic())) for process in processes]


def rows_of(results: Path) -> list[dict[str, str]]:
    with (results / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def outcome(results: Path) -> tuple[bytes, list[list[str]]]:
    """The weights of the last run, and its epochs without seconds."""
    folder = results / "runs" / rows_of(results)[-1]["run_id"]
    with (folder / "epochs.csv").open(newline="") as file:
        lines = [
            [v for k, v in row.items() if not k.endswith("_s")] for row in csv.DictReader(file)
        ]
    return (folder / "best.pt").read_bytes(), lines


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} was never made"
        time.sleep(0.05)
