"""The rows of results/bench/*.csv: what was measured, on what, with which code."""

from __future__ import annotations

import argparse
import csv
import json
import os
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from redditgnn.config import compose_settings
from redditgnn.graph import GraphData
from redditgnn.provenance import package_version, provenance
from scripts.bench.timing.alternate import Timing, paired_ratio

ROOT = Path(__file__).parents[3]
BENCH = Path("results") / "bench"
VERSIONS = ("torch_sparse", "pyg_lib", "dgl", "numba", "triton")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One side of one piece of work.

    `ratio`: how many times as long as `reference` the side took in the same round (median, then
    quantiles at 20 and 80 %). `extra_mib`: peak memory beyond what was there before, outputs
    included; `peak_mib`: with it. `output_error`, `gradient_error`: largest difference from float64
    over the largest value. `train_loss`: after as many epochs as every other side of the work.
    `floor_s`: bytes that must move (floors.py) over `copy_gb_s`. Empty: not measured.
    """

    measured_at: str = ""
    program: str
    dataset: str
    nodes: int
    edges: int
    work: str
    side: str
    reference: str
    status: str = "completed"  # completed | oom | timeout | failed
    n: int = 0
    median_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    extra_mib: float | None = None
    peak_mib: float | None = None
    output_error: float | None = None
    gradient_error: float | None = None
    train_loss: float | None = None
    floor_s: float | None = None
    copy_gb_s: float | None = None
    settings: str = ""
    note: str = ""
    device: str = ""
    device_name: str = ""
    num_threads: int = 0
    memory_limit_gib: float | None = None
    torch_version: str = ""
    pyg_version: str = ""
    other_versions: str = ""
    commit: str = ""
    dirty: bool | None = None


def timed(row: Row, timing: Timing, reference: Timing | None) -> Row:
    """Fill in what was timed; `reference` is None where that side has no times."""
    if timing.out_of_memory:
        return replace(row, status="oom", note=timing.out_of_memory)
    median, low, high = timing.spread
    row = replace(row, n=len(timing.seconds), median_s=median, low_s=low, high_s=high)
    if reference is None or not reference.seconds or row.side == row.reference:
        return row
    ratio, ratio_low, ratio_high = paired_ratio(timing, reference)
    return replace(row, ratio=ratio, ratio_low=ratio_low, ratio_high=ratio_high)


class Sheet:
    """Appends rows to `path` as they are measured and prints each."""

    def __init__(self, path: Path, device: torch.device, memory_limit_gib: float | None) -> None:
        self._path = path
        made = provenance(device)
        names = ("device", "device_name", "num_threads", "torch_version", "pyg_version", "commit")
        self._facts: dict[str, Any] = {name: made[name] for name in (*names, "dirty")}
        versions = {name: package_version(name) for name in VERSIONS}
        told = {name: number for name, number in versions.items() if number}
        self._facts.update(other_versions=json.dumps(told), memory_limit_gib=memory_limit_gib)

    def write(self, row: Row) -> None:
        """Append one row and say what it says.

        Raises:
            ValueError: the file has other columns.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        row = replace(row, measured_at=now, **self._facts)
        header = [column.name for column in fields(row)]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            with self._path.open(newline="", encoding="utf-8") as file:
                if next(csv.reader(file), None) != header:
                    raise ValueError(f"{self._path} has other columns; move it away")
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, header)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow({name: _written(value) for name, value in asdict(row).items()})
        print(spoken(row), flush=True)


def spoken(row: Row) -> str:
    """Return one line for the terminal."""
    words = [f"{row.work:28} {row.side:18}"]
    if row.median_s is None:
        return " ".join([*words, row.status, row.note])
    words.append(f"{_short(row.median_s)} s [{_short(row.low_s)}, {_short(row.high_s)}] n={row.n}")
    if row.ratio is not None:
        words.append(
            f"{row.ratio:.2f} times {row.reference} [{row.ratio_low:.2f}, {row.ratio_high:.2f}]"
        )
    if row.extra_mib is not None:
        words.append(f"{row.extra_mib:,.0f} MiB more")
    if row.floor_s:
        words.append(f"{row.median_s / row.floor_s:.1f} times the floor")
    if row.output_error is not None:
        words.append(f"error {row.output_error:.1e}")
    if row.gradient_error is not None:
        words.append(f"of gradients {row.gradient_error:.1e}")
    if row.train_loss is not None:
        words.append(f"loss {row.train_loss:.4f}")
    return "  ".join(words)


def _short(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3g}"


def _written(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value


def add_options(parser: argparse.ArgumentParser, *, works: list[str], chosen: list[str]) -> None:
    """Add the options that the programs share."""
    data_dir = os.environ.get("REDDITGNN_DATA", "data")
    parser.add_argument("--dataset", default="sbm", help="option of the group dataset (sbm)")
    parser.add_argument("--scale", type=float, default=0.2, help="of sbm; 1 is Reddit's size (0.2)")
    parser.add_argument("--data-dir", type=Path, default=Path(data_dir))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--repeats", type=int, default=3, help="rounds at least (3)")
    parser.add_argument(
        "--budget-s", type=float, default=30, help="more rounds while this is not spent (30)"
    )
    parser.add_argument("--memory-limit-gib", type=float, help="of each side (what is free)")
    parser.add_argument("--out", type=Path, help="CSV to append to (results/bench/...)")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=chosen,
        metavar="WORK,...",
        help=f"of {', '.join(works)}",
    )


def check_only(parser: argparse.ArgumentParser, only: list[str], works: list[str]) -> None:
    """Refuse a piece of work that there is not."""
    if unknown := sorted({*only} - {*works}):
        parser.error(f"--only must be of {', '.join(works)}, got {unknown[0]}")


def out_path(options: argparse.Namespace, program: str) -> Path:
    """Return the CSV of a program: one for each kind of device."""
    return options.out or ROOT / BENCH / f"{options.device}-{program}.csv"


def load_graph(dataset: str, scale: float, data_dir: Path) -> GraphData:
    """Load the dataset as `redditgnn train` would."""
    overrides = [f"dataset={dataset}"]
    if dataset == "sbm":
        overrides.append(f"dataset.scale={scale}")
    graph: GraphData = compose_settings(overrides).build("dataset", data_dir)
    return graph


def dataset_name(dataset: str, scale: float) -> str:
    """Say which graph it is, as rows name it."""
    return f"sbm {scale:g}" if dataset == "sbm" else dataset
