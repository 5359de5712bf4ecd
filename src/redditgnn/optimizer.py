"""Torch's optimizers with two weight decays: one for regularised parameters, one for the rest.

GCN regularises its first layer, and GCNII its convolutions more than its linear layers. A model
names the rest in `nonreg_parameters`, as in rusty1s/pyg_autoscale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from redditgnn.errors import (
    ConfigError,
    require,
    require_not_negative,
    require_positive,
    require_probability,
)


@runtime_checkable
class Regularised(Protocol):
    """A model that names the parameters to which `nonreg_weight_decay` applies."""

    def parameters(self) -> Any: ...

    def nonreg_parameters(self) -> list[nn.Parameter]: ...


def adam(
    model: Regularised,
    *,
    lr: int | float,
    betas: Sequence[int | float],
    eps: int | float,
    weight_decay: int | float,
    nonreg_weight_decay: int | float | None,
) -> torch.optim.Adam:
    """Adam; weight decay is an L2 term of the gradient (Kingma and Ba 2015, arXiv:1412.6980)."""
    _check_adam(betas, eps)
    groups = decay_groups(model, weight_decay, nonreg_weight_decay)
    return _build_optimizer(torch.optim.Adam, groups, lr=lr, betas=tuple(betas), eps=eps)


def adamw(
    model: Regularised,
    *,
    lr: int | float,
    betas: Sequence[int | float],
    eps: int | float,
    weight_decay: int | float,
    nonreg_weight_decay: int | float | None,
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101): weight decay outside the gradient."""
    _check_adam(betas, eps)
    groups = decay_groups(model, weight_decay, nonreg_weight_decay)
    return _build_optimizer(torch.optim.AdamW, groups, lr=lr, betas=tuple(betas), eps=eps)


def sgd(
    model: Regularised,
    *,
    lr: int | float,
    momentum: int | float,
    weight_decay: int | float,
    nonreg_weight_decay: int | float | None,
    nesterov: bool,
) -> torch.optim.SGD:
    """Stochastic gradient descent with momentum."""
    require_probability("optimizer.momentum", momentum)
    require(
        momentum > 0 or not nesterov,
        f"optimizer.nesterov=true needs optimizer.momentum above 0, got {momentum}; try 0.9",
    )
    groups = decay_groups(model, weight_decay, nonreg_weight_decay)
    return _build_optimizer(torch.optim.SGD, groups, lr=lr, momentum=momentum, nesterov=nesterov)


def decay_groups(
    model: Regularised, weight_decay: int | float, nonreg_weight_decay: int | float | None
) -> list[dict[str, Any]]:
    """Return the parameter groups, each with its weight decay; one group if there is one decay."""
    require_not_negative("optimizer.weight_decay", weight_decay)
    if nonreg_weight_decay is None:
        return [{"params": list(model.parameters()), "weight_decay": weight_decay}]
    require_not_negative("optimizer.nonreg_weight_decay", nonreg_weight_decay)
    nonreg = model.nonreg_parameters()
    nonreg_ids = {id(parameter) for parameter in nonreg}
    regularised = [p for p in model.parameters() if id(p) not in nonreg_ids]
    groups = [
        {"params": regularised, "weight_decay": weight_decay},
        {"params": nonreg, "weight_decay": nonreg_weight_decay},
    ]
    return [group for group in groups if group["params"]]


def _check_adam(betas: Sequence[int | float], eps: int | float) -> None:
    require(
        len(betas) == 2 and all(0 <= beta < 1 for beta in betas),
        f"optimizer.betas must be two numbers in [0, 1), got {betas}; try '[0.9,0.999]'",
    )
    require_not_negative("optimizer.eps", eps)


def _build_optimizer(
    cls: Any, groups: list[dict[str, Any]], *, lr: int | float, **settings: Any
) -> Any:
    require_not_negative("optimizer.lr", lr)
    try:
        return cls(groups, lr=lr, **settings)
    except (ValueError, TypeError, IndexError) as error:
        raise ConfigError(f"optimizer: {error}") from error


POSITIVE = ("step_size", "T_max", "T_0", "T_mult")
NOT_NEGATIVE = ("total_iters", "patience", "cooldown", "gamma", "factor", "eta_min", "min_lr")
MODES = ("min", "max")


def check_schedule(values: Mapping[str, Any]) -> None:
    """Refuse `values` of the group `scheduler` that torch's schedulers cannot use.

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
