"""Measure all that needs a GPU, in stages, as long as there is time; resume where it stopped.

usage: python -m scripts.bench.gpu_day [--seconds 540] [--only STAGE,...] [--again] [...]

A stage (gpu_stages.py) is a few programs, each in a process group of its own that is killed at the
stage's limit. They append their rows to results/bench/DEVICE-*.csv as they finish, so that a stage
that is cut loses no more than its last row. results/bench/gpu-day.csv has a row for every stage
that ended. The next call skips what is completed there, on this device and at this scale. At the
end a page says what the rows amount to. With --out DIR/gpu-day.csv all files are in DIR.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from redditgnn.record.provenance import provenance
from scripts import ROOT
from scripts.bench.gpu_page import page
from scripts.bench.gpu_stages import Stage, stages
from scripts.bench.options import add_place, names_of, new_parser
from scripts.bench.rows.sheet import FACTS, append, now

PATH = ROOT / "results" / "bench" / "gpu-day.csv"
LEAST_S = 20  # a stage is not begun for less


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a stage ended. `status`: completed, failed, timeout (its own limit) or cut (no time)."""

    status: str
    seconds: float
    note: str = ""


def run_day(
    chosen: Sequence[Stage],
    seconds: float,
    record: Callable[[Stage, Ending], None],
) -> list[Ending]:
    """Run the stages until the seconds are spent; return how those that were recorded ended.

    A stage that is cut because the seconds are spent is not recorded, so that it comes again.
    """
    end, endings = time.monotonic() + seconds, []
    for stage in chosen:
        left = end - time.monotonic()
        if left < LEAST_S:
            print(
                f"gpu-day: {max(left, 0):.0f} s are left; call again for {stage.name} and the rest"
            )
            break
        ending = run_stage(stage, min(stage.limit_s, left))
        if ending.status == "timeout" and left < stage.limit_s:
            print(f"gpu-day: {stage.name} is cut after {ending.seconds:.0f} s; it comes again")
            break
        record(stage, ending)
        endings.append(ending)
        print(f"gpu-day: {stage.name} {ending.status}, {ending.seconds:.0f} s {ending.note}")
    return endings


def run_stage(stage: Stage, limit_s: float) -> Ending:
    """Run the commands of a stage, all of them within the limit."""
    start, last = time.monotonic(), ""
    for command in stage.commands:
        left = limit_s - (time.monotonic() - start)
        code, last = run_group(command, left)
        seconds = time.monotonic() - start
        if code is None:
            return Ending(status="timeout", seconds=seconds, note=f"not done after {limit_s:.0f} s")
        if code != 0:
            return Ending(status="failed", seconds=seconds, note=f"exit code {code}: {last}")
    return Ending(status="completed", seconds=time.monotonic() - start, note=last)


def run_group(command: Sequence[str], limit_s: float) -> tuple[int | None, str]:
    """Run a command and print what it prints; kill it and all its children at the limit.

    Returns:
        The exit code, None if it was killed at the limit, and the last line that it printed.
    """
    late, last = threading.Event(), ""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:

        def kill() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(max(limit_s, 0), kill)
        timer.start()
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                last = line.strip() or last
        except BaseException:  # this program is interrupted: it leaves nothing running
            kill()
            raise
        finally:
            timer.cancel()
    return (None if late.is_set() else process.returncode), last


def completed_stages(path: Path, device_name: str, scale: float) -> set[str]:
    """Return the names of the stages that a file has as completed, on a device and at a scale."""
    if not path.exists():
        return set()
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    done = rows[(rows.status == "completed") & (rows.device_name == device_name)]
    return set(done.stage[done.scale == f"{scale:g}"])


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is not done yet; 1 if a stage failed."""
    parser = new_parser("gpu_day", __doc__)
    add_place(parser, scale=1.0)
    names = [stage.name for stage in stages("cuda", 1.0, Path("data"), PATH.parent)]
    parser.add_argument("--seconds", type=float, default=540, help="in all (%(default)g)")
    parser.add_argument("--only", type=names_of(names), default=names, metavar="STAGE,...")
    parser.add_argument("--again", action="store_true", help="completed stages, too")
    options = parser.parse_args(argv)
    path = options.out or PATH
    facts = {name: provenance(torch.device(options.device))[name] for name in FACTS}
    done = set() if options.again else completed_stages(path, facts["device_name"], options.scale)

    def record(stage: Stage, ending: Ending) -> None:
        append(path, {**row_of(stage, ending), "scale": f"{options.scale:g}", **facts})

    left = [
        stage
        for stage in stages(options.device, options.scale, options.data_dir, path.parent)
        if stage.name in options.only and stage.name not in done
    ]
    endings = run_day(left, options.seconds, record)
    print("\n".join(page_lines(path.parent, options.device, facts["device_name"])))
    return 0 if all(ending.status == "completed" for ending in endings) else 1


def row_of(stage: Stage, ending: Ending) -> dict[str, Any]:
    """Return the cells of a stage that has just ended."""
    return {
        "ended_at": now(),
        "stage": stage.name,
        "status": ending.status,
        "seconds": f"{ending.seconds:.1f}",
        "note": ending.note,
    }


def page_lines(folder: Path, device: str, device_name: str) -> Iterator[str]:
    """Yield the page over the rows of a device in `folder`."""
    paths = [folder / f"{device}-{program}.csv" for program in ("kernels", "step")]
    tables = [pd.read_csv(path) for path in paths if path.exists()]
    if tables:
        rows = pd.concat(tables)
        yield from page(rows[rows.device_name == device_name])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
