"""The tracker contract, and a guard that keeps a tracker from breaking a run."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from redditgnn.errors import ConfigError
from redditgnn.record.rows import EpochRow, RunRow, cells_of

CLOSING_S = 30.0  # the limit for a tracker to send its last data
INTERRUPTED_S = 3.0  # the same after a signal that asks the process to end

log = logging.getLogger(__name__)


@runtime_checkable
class Tracker(Protocol):
    """Built as `Cls(**yaml)`. It may raise any error, but must not wait forever."""

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        """Open the run of `row`. `num_epochs` are over already if it resumes."""
        ...

    def epoch(self, row: EpochRow) -> None: ...

    def finished(self, row: RunRow) -> None:
        """Take the final row, of any status."""
        ...

    def close(self) -> None: ...


class SafeTracker:
    """A tracker that fails at most once, with a warning. The run continues without it."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker: Tracker | None = tracker
        self._is_open = False

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        if self._tracker is not None:
            self._is_open = True
            self._call(self._tracker.started, row, results_dir, num_epochs)

    def epoch(self, row: EpochRow) -> None:
        if self._tracker is not None:
            self._call(self._tracker.epoch, row)

    def finished(self, row: RunRow) -> None:
        """Pass the final row on and close, unless the run ended before the tracker was opened."""
        tracker = self._tracker
        if tracker is None or not self._is_open:
            return
        patience_s = INTERRUPTED_S if row.status == "interrupted" else CLOSING_S

        def end() -> None:
            if self._call(tracker.finished, row):
                self._call(tracker.close)

        thread = threading.Thread(target=end, name="tracker", daemon=True)
        thread.start()
        thread.join(patience_s)
        if thread.is_alive():
            log.warning("the tracker was not done after %g s; the run is complete", patience_s)
        self._tracker = None

    def _call(self, method: Callable[..., None], *args: Any) -> bool:
        """Return whether `method` succeeded. A tracker that failed is closed and dropped."""
        tracker = self._tracker
        try:
            method(*args)
        except Exception as error:  # no network, a full disk, any error of a library
            reason = (str(error).splitlines() or [""])[0]
            log.warning(
                "the tracker failed (%s: %s); the run continues", type(error).__name__, reason
            )
            self._tracker = None
            if tracker is not None:
                threading.Thread(target=_close_quietly, args=(tracker,), daemon=True).start()
            return False
        return True


def _close_quietly(tracker: Tracker) -> None:
    with suppress(Exception):
        tracker.close()


def import_optional(package: str, module: str, extra: str) -> Any:
    """Import `module` of an optional package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"tracker={extra} needs {package}, which cannot be imported; install it with "
            f"pip install 'redditgnn[{extra}]', or set tracker=none"
        ) from error


def searchable_settings(row: RunRow) -> dict[str, Any]:
    """Return the searchable facts of a run: its settings, and its dataset, model and so on."""
    names = ("dataset", "model", "sampler", "experiment", "seed", "protocol", "fingerprint")
    facts = {name: getattr(row, name) for name in (*names, "config_hash", "commit", "device")}
    return {**facts, **json.loads(row.hyperparameters)}


def measured_numbers(row: EpochRow | RunRow) -> dict[str, float]:
    """Return the columns that hold a measurement."""
    values: Mapping[str, Any] = cells_of(row)
    numeric = {k: v for k, v in values.items() if isinstance(v, (int, float)) and k != "seed"}
    return {k: float(v) for k, v in numeric.items() if not isinstance(v, bool) and k != "epoch"}
