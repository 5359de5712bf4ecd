"""The folder that a run works in: a new one, or that of a killed run which can be resumed.

A run is resumed only if configuration, seed and data are the same, and the code, versions and
device type that it began with. Then it ends as if nothing had happened.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from redditgnn.errors import DataError
from redditgnn.record import checkpoint
from redditgnn.record.provenance import source_digest
from redditgnn.record.recorder import EpochRecorder
from redditgnn.record.rows import EpochRow, RunRow, cells_of
from redditgnn.record.runs_file import read_rows

CHECKPOINT = "checkpoint.pt"
SHARES = (
    "checkpoint-*.pt",
    ".checkpoint-*.tmp",
)  # of single processes, whole or not
SAME_RUN = ("config_hash", "seed", "fingerprint")
SAME_MAKER = ("commit", "source", "torch_version", "pyg_version", "device")
FINAL = ("completed", "diverged")  # resuming would change nothing

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFolder:
    """A run's folder, locked for this process.

    Attributes:
        resumed_from: The checkpoint to resume from; None: the run is new.
        started_at: Of the first session.
    """

    folder: Path
    lock: FileLock
    resumed_from: dict[str, Any] | None
    started_at: str

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    @property
    def rows(self) -> list[EpochRow]:
        """The epochs that were over."""
        return [EpochRow(**row) for row in (self.resumed_from or {"rows": []})["rows"]]

    def recorder(self) -> EpochRecorder:
        """Open the files of the run's epochs, after those that the checkpoint knows of."""
        return EpochRecorder(self.folder, None if self.resumed_from is None else len(self.rows))

    def release(self, status: str) -> None:
        """Let others have the run; its checkpoint goes with a `status` that is final."""
        if status in FINAL:
            self.checkpoint.unlink(missing_ok=True)
            for path in (p for pattern in SHARES for p in self.folder.glob(pattern)):
                path.unlink(missing_ok=True)
        self.lock.release()


def identity(row: RunRow) -> dict[str, Any]:
    """Return what a run must have in common with `row` to be resumed."""
    cells = {**cells_of(row), "source": source_digest()}
    return {name: cells[name] for name in (*SAME_RUN, *SAME_MAKER, "started_at")}


def claim(results_dir: Path, row: RunRow, own: dict[str, Any]) -> RunFolder:
    """Claim the newest folder of a killed run of identity `own` that can be resumed, or a new one.

    Raises:
        DataError: the checkpoint is damaged, or the folder cannot be made.
    """
    for folder, other in _unfinished(results_dir, own):
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:  # another process is at it
            continue
        # It may have been completed, and its checkpoint removed, before the lock was free.
        if (folder / CHECKPOINT).exists() and not _is_completed(results_dir, folder.name):
            if (difference := _difference(other, own)) is None:
                return _resume(folder, lock, other)
            log.info("run %s was killed, but had another %s: begins anew", folder.name, difference)
        lock.release()
    folder = results_dir / "runs" / row.run_id
    try:
        folder.mkdir(parents=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(blocking=False)
    except OSError as error:
        raise DataError(f"results_dir={folder} cannot be written: {error.strerror}") from error
    return RunFolder(folder=folder, lock=lock, resumed_from=None, started_at=row.started_at)


def resumable(results_dir: Path, own: dict[str, Any]) -> Path | None:
    """Return the newest folder with a checkpoint that a run of identity `own` could resume from.

    Its device is not looked at: on a cluster the run has another than this process.
    """
    for folder, other in _unfinished(results_dir, own):
        if _difference(other, {**own, "device": other.get("device")}) is None:
            return folder
    return None


def _unfinished(results_dir: Path, own: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folders with a checkpoint of the run `own`, newest first, and their identities."""
    for path in sorted(results_dir.glob(f"runs/*/{CHECKPOINT}"), reverse=True):
        try:
            text = (path.parent / "run.json").read_text(encoding="utf-8")
            other = json.loads(text)["identity"]
            is_same = all(other[name] == own[name] for name in SAME_RUN)
        except (OSError, ValueError, KeyError, TypeError):  # nobody can tell what run it was
            continue
        if is_same:
            yield path.parent, other


def _difference(other: dict[str, Any], own: dict[str, Any]) -> str | None:
    """Describe the first thing that is not as it was when the run began; None: all is."""
    for name in SAME_MAKER:
        if other.get(name) != own[name]:
            return f"{name} ({other.get(name)}, now {own[name]})"
    return None


def _resume(folder: Path, lock: FileLock, other: dict[str, Any]) -> RunFolder:
    try:
        state = checkpoint.load(folder / CHECKPOINT)
        run_folder = RunFolder(
            folder=folder, lock=lock, resumed_from=state, started_at=other["started_at"]
        )
        epochs, steps = len(run_folder.rows), len(state["losses"])
    except (DataError, KeyError, TypeError) as error:
        lock.release()
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{folder / CHECKPOINT} is no checkpoint of a run; remove it, and the run begins anew"
        ) from error
    log.info("run %s resumes after epoch %d, step %d", folder.name, epochs, steps)
    return run_folder


def _is_completed(results_dir: Path, run_id: str) -> bool:
    """Whether runs.csv says so: a process may be killed before it removes its checkpoint."""
    path = results_dir / "runs.csv"
    rows = read_rows(path)[1] if path.exists() else []
    return any(row["run_id"] == run_id and row["status"] == "completed" for row in rows)
