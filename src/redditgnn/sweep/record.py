"""Which runs of a sweep are done: rows of runs.csv that stand for a job."""

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
    """What makes two runs the same one."""

    config_hash: str
    seed: int
    fingerprint: str

    def lock(self, results_dir: Path) -> FileLock:
        """Return the lock of whoever is at work on this run, in whichever sweep."""
        name = f"{self.config_hash}-s{self.seed}-{short_hash(self.fingerprint)}.lock"
        return FileLock(results_dir / "sweeps" / "locks" / name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Which completed rows count: those of the code that would run now, or all (`same_code`)."""

    rerun: bool
    same_code: bool
    commit: str
    torch_version: str

    def completed(self, identity: Identity, rows: Iterable[Row]) -> Row | None:
        """Return the first row that stands for the run; None if it has to be run."""
        if self.rerun:
            return None
        return next((row for row in rows if _is_of(identity, row) and self.counts(row)), None)

    def counts(self, row: Row) -> bool:
        """Whether a row is of a run that completed, with code that may count."""
        same = (row["commit"], row["torch_version"]) == (self.commit, self.torch_version)
        return row["status"] == "completed" and (same or not self.same_code)

    def remark(self, row: Row) -> str:
        """Say if the row is of other code than would run now."""
        told = [
            f"{name} {row[key][:12]}, now {now[:12]}"
            for name, key, now in (
                ("commit", "commit", self.commit),
                ("torch", "torch_version", self.torch_version),
            )
            if row[key] != now
        ]
        return f" ({'; '.join(told)})" if told else ""


def recorded(results_dir: Path) -> list[Row]:
    """Return the rows of `results_dir/runs.csv`; none where it does not exist yet.

    Raises:
        DataError: it cannot be read.
    """
    path = results_dir / "runs.csv"
    return read_rows(path)[1] if path.exists() else []


def _is_of(identity: Identity, row: Row) -> bool:
    found = (row["config_hash"], row["seed"], row["fingerprint"])
    return found == (identity.config_hash, str(identity.seed), identity.fingerprint)


def as_row(values: dict[str, Any]) -> Row:
    """Return a row as runs.csv has it: text, empty where there is no value."""
    return {key: "" if value is None else str(value) for key, value in values.items()}
