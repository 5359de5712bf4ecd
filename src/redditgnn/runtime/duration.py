"""Durations as a user writes them: 60s, 10min, 1.5h."""

from __future__ import annotations

import re

from redditgnn.errors import ConfigError

SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(SECONDS)})")


def seconds_of(key: str, value: object) -> float:
    """Return the seconds in `value`, a text with a unit, for the configuration `key`.

    Raises:
        ConfigError: `value` is no duration, or not positive.
    """
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = float(match[1]) * SECONDS[match[2]] if match else 0.0
    if seconds <= 0:
        raise ConfigError(
            f"{key} must be a positive duration with its unit ({', '.join(SECONDS)}), such as 60s, "
            f"10min or 1.5h, got {value!r}"
        )
    return seconds
