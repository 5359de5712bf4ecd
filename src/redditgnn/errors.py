"""All errors that are reported in one line, and their exit codes.

    RedditGNNError
    |-- UserError            exit 2: one line on stderr, and nothing ran
    |   |-- ConfigError      a key has a value that cannot work
    |   `-- DataError        a file is missing, truncated or contradicts itself
    `-- RunFailed            exit 3: the run started, and its row says why it ended
        |-- TrainingDiverged
        |-- OutOfMemory
        |-- TeamFailed       another process of the run has ended, or does not answer
        `-- NotRecorded      its results could not be written where they belong

Anything else is a bug: traceback, exit 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


class RedditGNNError(Exception):
    """Base of all errors that are reported in one line."""


class UserError(RedditGNNError):
    """A mistake that the user can correct; the message has key, constraint, value and way out."""


class ConfigError(UserError):
    """A configuration key has a value that cannot work."""


class DataError(UserError):
    """A data file is missing, truncated or contradicts itself."""


class RunFailed(RedditGNNError):
    """A run started and could not finish; its row has this `status`."""

    status = "failed"


class TrainingDiverged(RunFailed):
    """The loss is no longer a finite number."""

    status = "diverged"


class OutOfMemory(RunFailed):
    """The device or the host ran out of memory."""

    status = "oom"


class TeamFailed(RunFailed):
    """Another process of the run has ended, or does not answer."""


class NotRecorded(RunFailed):
    """A file of results cannot be written; the message says where the row of the run is."""


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)


def require_probability(key: str, value: int | float) -> None:
    """Refuse a dropout-like `value` of the configuration `key` outside [0, 1)."""
    require(0.0 <= value < 1.0, f"{key} must be in [0, 1), got {value}")


def require_not_negative(key: str, value: int | float) -> None:
    """Refuse a `value` of the configuration `key` below zero."""
    require(value >= 0, f"{key} must be at least 0, got {value}")


def require_positive(key: str, value: int | float) -> None:
    """Refuse a `value` of the configuration `key` that is not above zero."""
    require(value > 0, f"{key} must be positive, got {value}")


def no_effect_error(
    override: str, key: str, on: str, keys: Sequence[str], families: str
) -> ConfigError:
    """Describe a key that a command does not read. `families` are keys such as `dataset.KEY`."""
    near = get_close_matches(key, keys, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(keys)}, {families}"
    return ConfigError(f"{override}: {key} has no effect on {on}; {remedy}")
