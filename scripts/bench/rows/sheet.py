"""The CSV files of results/bench, which rows are appended to as they are measured."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from redditgnn.record.provenance import package_version, provenance
from scripts import ROOT
from scripts.bench.rows.row import Row, describe

PEER_PACKAGES = ("torch_sparse", "pyg_lib", "dgl", "numba", "triton")
FACTS = ("device", "device_name", "num_threads", "torch_version", "pyg_version", "commit", "dirty")


class Sheet:
    """Appends rows to `path`, with time, hardware and versions, and prints each."""

    def __init__(
        self, path: Path, device: torch.device, memory_limit_gib: float | None = None
    ) -> None:
        self._path = path
        facts = provenance(device)
        versions = {name: package_version(name) for name in PEER_PACKAGES}
        installed = {name: version for name, version in versions.items() if version}
        self._facts: dict[str, Any] = {name: facts[name] for name in FACTS}
        self._facts.update(other_versions=json.dumps(installed), memory_limit_gib=memory_limit_gib)

    def write(self, row: Row) -> None:
        """Append one row and print it."""
        row = replace(row, measured_at=now(), **self._facts)
        append(self._path, {name: _cell(value) for name, value in asdict(row).items()})
        print(describe(row), flush=True)


def csv_path(device: str, program: str) -> Path:
    """Return the CSV of a program: one for each kind of device."""
    return ROOT / "results" / "bench" / f"{device}-{program}.csv"


def append(path: Path, row: Mapping[str, object]) -> None:
    """Append a row, below the header if there is none yet.

    Raises:
        ValueError: The file has other columns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            if next(csv.reader(file), [*row]) != [*row]:
                raise ValueError(f"{path} has other columns; move it away")
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*row])
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def now() -> str:
    """Return the time in UTC, as rows have it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value
