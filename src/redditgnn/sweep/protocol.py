"""One job of a sweep, in any process."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from redditgnn.config.settings import Settings
from redditgnn.errors import RunFailed, UserError
from redditgnn.record.rows import cells_of
from redditgnn.record.runs_file import Row
from redditgnn.sweep.record import Identity, Policy, format_row, load_rows


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a job. `code` is the exit code that 'redditgnn train' would have.

    `status` is that of its row in runs.csv, `refused` if there is no row, or `skipped`.
    """

    status: str
    code: int = 0
    error: str = ""
    row: Row = field(default_factory=dict)

    @property
    def needs_new_process(self) -> bool:
        """Whether the process may be in a bad state: no memory, a broken device."""
        return self.code in (1, 3) and self.status != "diverged"


class WorkerDied(Exception):
    """The process of a run ended without an outcome. The text describes how."""


@runtime_checkable
class Workers(Protocol):
    """Runs jobs: processes of this machine, or a cluster."""

    @property
    def has_room(self) -> bool:
        """Whether `submit` may be called."""

    @property
    def is_empty(self) -> bool:
        """Whether no job is under way."""

    def start(self) -> None:
        """Prepare for jobs while the sweep is still planned."""

    def submit(self, key: Any, request: Mapping[str, Any], label: str) -> None:
        """Begin a job. `label` marks its lines of output."""

    def next_outcomes(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Wait for at least one job, and yield key and outcome of all that ended."""

    def interrupt(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Ask all jobs to write checkpoints and end, and yield key and outcome of each."""

    def close(self) -> None:
        """End all processes, and busy ones at once."""


def build_request(
    settings: Settings, overrides: list[str], identity: Identity, policy: Policy
) -> dict[str, Any]:
    """Return the arguments of `run_request`, ready for JSON."""
    return {
        "settings": asdict(settings),
        "overrides": overrides,
        "identity": asdict(identity),
        "policy": asdict(policy),
    }


def run_request(request: Mapping[str, Any]) -> Outcome:
    """Run a job, unless another process did so meanwhile. Processes that share it call it, too."""
    from redditgnn.run.parallel import speaks

    settings = Settings.from_dict(request["settings"])
    identity, policy = Identity(**request["identity"]), Policy(**request["policy"])
    results_dir = Path(settings.results_dir)
    lock = identity.lock(results_dir)
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    # Its holder may be another sweep, or the last worker of a killed one.
    with lock if speaks(settings) else nullcontext():
        row = policy.find_completed(identity, load_rows(results_dir))
        if row is not None:
            return Outcome(status="skipped", row=row)
        sys.argv = ["redditgnn train", *request["overrides"]]  # for run.json
        return _run_job(settings)


def _run_job(settings: Settings) -> Outcome:
    from redditgnn.run.execution import run

    try:
        row, _ = run(settings)
    except UserError as error:
        return Outcome(status="refused", code=2, error=str(error))
    except RunFailed as error:
        return Outcome(status=error.status, code=3, error=str(error))
    except KeyboardInterrupt:
        return Outcome(status="interrupted", code=130)
    except Exception as error:
        traceback.print_exc()
        return Outcome(status="failed", code=1, error=f"{type(error).__name__}: {error}")
    return Outcome(status=row.status, row=format_row(cells_of(row)))
