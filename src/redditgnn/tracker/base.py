"""What a tracker is, and what keeps one from costing a run."""

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

CLOSING_S = 30.0  # at most, for what a tracker still has to send
INTERRUPTED_S = 3.0  # the same where a signal asks the process to end

log = logging.getLogger(__name__)


@runtime_checkable
class Tracker(Protocol):
    """Built as `Cls(**yaml)`; it may raise what it likes, but not wait without end."""

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        """Open the run of `row`; `num_epochs` are over already if it was interrupted before."""
        ...

    def epoch(self, row: EpochRow) -> None: ...

    def finished(self, row: RunRow) -> None:
        """Take the final row, whatever its status is."""
        ...

    def close(self) -> None: ...


class SafeTracker:
    """A tracker that fails at most once, in a warning: the run goes on without it."""

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
        """Hand the final row over and close; a run that ended before it was opened has nothing."""
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
        """Return whether `method` did not fail; a tracker that did is closed, and forgotten."""
        tracker = self._tracker
        try:
            method(*args)
        except Exception as error:  # no network, a full disk, whatever a library makes of it
            first = (str(error).splitlines() or [""])[0]
            log.warning("the tracker failed (%s: %s); going on", type(error).__name__, first)
            self._tracker = None
            if tracker is not None:
                threading.Thread(target=_closed_quietly, args=(tracker,), daemon=True).start()
            return False
        return True


def _closed_quietly(tracker: Tracker) -> None:
    with suppress(Exception):
        tracker.close()


def required(package: str, module: str, extra: str) -> Any:
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


def settings_of(row: RunRow) -> dict[str, Any]:
    """Return what a run can be searched by: its settings, and what it is a run of."""
    names = ("dataset", "model", "sampler", "experiment", "seed", "protocol", "fingerprint")
    named = {name: getattr(row, name) for name in (*names, "config_hash", "commit", "device")}
    return {**named, **json.loads(row.hyperparameters)}


def numbers_of(row: EpochRow | RunRow) -> dict[str, float]:
    """Return the columns that hold a measurement."""
    values: Mapping[str, Any] = cells_of(row)
    numeric = {k: v for k, v in values.items() if isinstance(v, (int, float)) and k != "seed"}
    return {k: float(v) for k, v in numeric.items() if not isinstance(v, bool) and k != "epoch"}
