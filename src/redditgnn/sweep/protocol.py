"""One job of a sweep, in whichever process it is run."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from redditgnn.config.settings import Settings
from redditgnn.errors import RunFailed, UserError
from redditgnn.record.rows import cells_of
from redditgnn.record.runs_file import Row
from redditgnn.sweep.record import Identity, Policy, as_row, recorded


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended; `code` is what 'redditgnn train' would have exited with.

    `status` is that of its row in runs.csv, or `refused` where there is none, or `skipped`.
    """

    status: str
    code: int = 0
    error: str = ""
    row: Row = field(default_factory=dict)

    @property
    def leaves_a_doubt(self) -> bool:
        """Whether the process that ran it may be in a bad state: no memory, a broken device."""
        return self.code in (1, 3) and self.status != "diverged"


class WorkerDied(Exception):
    """The process of a run ended without an outcome; its text says how."""


@runtime_checkable
class Workers(Protocol):
    """Whoever runs jobs: processes of this machine, or a cluster."""

    @property
    def has_room(self) -> bool:
        """Whether `submit` may be called."""

    @property
    def is_empty(self) -> bool:
        """Whether no job is under way."""

    def start(self) -> None:
        """Prepare what jobs will need, while the sweep is still planned."""

    def submit(self, key: Any, request: Mapping[str, Any], label: str) -> None:
        """Begin a job; `label` is what its lines are told by."""

    def finished(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Wait for at least one job; yield key and outcome of all that ended."""

    def interrupt(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Have all jobs write their checkpoints and end; yield how they ended."""

    def close(self) -> None:
        """End all processes, those with a job at once."""


def request_of(
    settings: Settings, overrides: list[str], identity: Identity, policy: Policy
) -> dict[str, Any]:
    """Return all that `done` needs, as JSON can have it."""
    return {
        "settings": asdict(settings),
        "overrides": overrides,
        "identity": asdict(identity),
        "policy": asdict(policy),
    }


def done(request: Mapping[str, Any]) -> Outcome:
    """Run a job, unless somebody else did so meanwhile."""
    settings = Settings.from_dict(request["settings"])
    identity, policy = Identity(**request["identity"]), Policy(**request["policy"])
    results_dir = Path(settings.results_dir)
    lock = identity.lock(results_dir)
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    with lock:  # whoever has it may be another sweep, or the last worker of one that was killed
        row = policy.completed(identity, recorded(results_dir))
        if row is not None:
            return Outcome(status="skipped", row=row)
        sys.argv = ["redditgnn train", *request["overrides"]]  # as run.json will tell
        return _ran(settings)


def _ran(settings: Settings) -> Outcome:
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
    return Outcome(status=row.status, row=as_row(cells_of(row)))
