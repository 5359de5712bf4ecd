"""What torch's learning rate schedulers do not refuse until they divide by it, or never.

Schedulers are torch's own classes: their parameters go by the same names in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redditgnn.errors import require, require_not_negative, require_positive

POSITIVE = ("step_size", "T_max", "T_0", "T_mult")
NOT_NEGATIVE = ("total_iters", "patience", "cooldown", "gamma", "factor", "eta_min", "min_lr")
MODES = ("min", "max")


def check_schedule(values: Mapping[str, Any]) -> None:
    """Refuse `values` of the group `scheduler` that no scheduler of torch can do with.

    Raises:
        ConfigError: names key, constraint and value.
    """
    for key, value in values.items():
        if key in POSITIVE:
            require_positive(f"scheduler.{key}", value)
        if key in NOT_NEGATIVE:
            require_not_negative(f"scheduler.{key}", value)
    mode = values.get("mode", "min")
    require(mode in MODES, f"scheduler.mode must be min or max, got {mode!r}")
