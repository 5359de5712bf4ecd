"""When a training writes its checkpoint, and when it ends because it was asked to."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redditgnn.errors import DataError, require
from redditgnn.record import checkpoint
from redditgnn.runtime.duration import seconds_of
from redditgnn.runtime.signals import Stop
from redditgnn.trainer.own_files import with_histories
from redditgnn.trainer.state import TrainingState

PAUSE = 20  # a checkpoint that takes a second is not written again for 20 seconds


class Cadence:
    """How often: `every` is a number of epochs, a duration such as `60s`, or None for never."""

    def __init__(self, key: str, every: int | str | None) -> None:
        self.epochs = every if isinstance(every, int) else None
        self.seconds = seconds_of(key, every) if isinstance(every, str) else None
        require(
            self.epochs is None or self.epochs > 0,
            f"{key} must be a positive number of epochs, a duration such as 60s, or null for "
            f"never, got {every}",
        )

    @property
    def is_never(self) -> bool:
        return self.epochs is None and self.seconds is None


NEVER = Cadence("", None)


class Checkpointer:
    """Keeps the state of a training in `path`, where a later process finds it.

    A training calls `maybe_save` at each of its boundaries. A disk that is full costs the
    checkpoint, not the training: the one before stays.

    Args:
        stop: The request to end, at which the state is written.
        spent: Returns seconds and memory of the run so far, which are saved under `run`.
        resumed_from: The state that an earlier process left; None: the training begins anew.
    """

    def __init__(
        self,
        path: Path,
        cadence: Cadence,
        stop: Stop,
        spent: Callable[[], dict[str, Any]],
        resumed_from: dict[str, Any] | None,
    ) -> None:
        self._path, self._resumed_from = path, resumed_from
        self.stop, self._cadence, self._spent = stop, cadence, spent
        self._epochs, self._due = 0, self._next_time(0.0)

    def restore(self, state: TrainingState) -> None:
        """Load the state that an earlier process left into `state`, if there is one.

        Raises:
            DataError: it is of another training.
        """
        if self._resumed_from is None:
            return
        try:
            self._load(state, self._resumed_from)
        except DataError as error:
            raise DataError(
                f"{self._path} cannot be resumed: {error}; remove it, and the run begins anew"
            ) from error
        self._resumed_from = None  # it may be as large as the histories

    def _load(self, state: TrainingState, saved: dict[str, Any]) -> None:
        state.load_state_dict(with_histories(saved, self._path.parent))

    def maybe_save(self, state: Callable[[], dict[str, Any]], *, ends_epoch: bool) -> float:
        """Write the state if it is time; return the seconds that this took.

        Raises:
            KeyboardInterrupt: the process was asked to end, and has written it.
        """
        self._epochs += ends_epoch
        if not (self.stop.is_requested or self._is_due(ends_epoch)):
            return 0.0
        seconds = 0.0 if self._cadence.is_never else self._write_checkpoint(state)
        self._epochs, self._due = 0, self._next_time(seconds)
        self.stop.leave()
        return seconds

    def _is_due(self, ends_epoch: bool) -> bool:
        if self._cadence.epochs is not None:
            return ends_epoch and self._epochs >= self._cadence.epochs
        return time.monotonic() >= self._due

    def _next_time(self, cost_s: float) -> float:
        seconds = self._cadence.seconds
        return float("inf") if seconds is None else time.monotonic() + max(seconds, PAUSE * cost_s)

    def _write_checkpoint(self, state: Callable[[], dict[str, Any]]) -> float:
        start = time.perf_counter()
        self._write(state() | {"run": self._spent()})
        return time.perf_counter() - start

    def _write(self, state: dict[str, Any]) -> None:
        checkpoint.save(state, self._path)
