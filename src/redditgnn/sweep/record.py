"""The completed runs of a sweep: rows of runs.csv that match a job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from redditgnn.graph.fingerprint import short_hash
from redditgnn.record.runs_file import Row, read_rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The key of a run: two runs with equal keys are the same."""

    config_hash: str
    seed: int
    fingerprint: str

    def lock(self, results_dir: Path) -> FileLock:
        """Return the lock of this run, which all sweeps share."""
        name = f"{self.config_hash}-s{self.seed}-{short_hash(self.fingerprint)}.lock"
        return FileLock(results_dir / "sweeps" / "locks" / name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The rule for completed rows: all count, or with `same_code` only rows of the current code."""

    rerun: bool
    same_code: bool
    commit: str
    torch_version: str

    def find_completed(self, identity: Identity, rows: Iterable[Row]) -> Row | None:
        """Return the first row that matches the run, or None if the run is needed."""
        if self.rerun:
            return None
        return next((row for row in rows if _matches(identity, row) and self.counts(row)), None)

    def counts(self, row: Row) -> bool:
        """Whether the run of `row` completed, with code that counts."""
        same = (row["commit"], row["torch_version"]) == (self.commit, self.torch_version)
        return row["status"] == "completed" and (same or not self.same_code)

    def remark(self, row: Row) -> str:
        """Describe how the code of `row` differs from the current code, empty if it does not."""
        changes = [
            f"{name} {row[key][:12]}, now {now[:12]}"
            for name, key, now in (
                ("commit", "commit", self.commit),
                ("torch", "torch_version", self.torch_version),
            )
            if row[key] != now
        ]
        return f" ({'; '.join(changes)})" if changes else ""


def load_rows(results_dir: Path) -> list[Row]:
    """Return the rows of `results_dir/runs.csv`, or none where it does not exist yet.

    Raises:
        DataError: it cannot be read.
    """
    path = results_dir / "runs.csv"
    return read_rows(path)[1] if path.exists() else []


def _matches(identity: Identity, row: Row) -> bool:
    key = (row["config_hash"], row["seed"], row["fingerprint"])
    return key == (identity.config_hash, str(identity.seed), identity.fingerprint)


def format_row(values: dict[str, Any]) -> Row:
    """Return a row in the form of runs.csv: text, and empty for missing values."""
    return {key: "" if value is None else str(value) for key, value in values.items()}
