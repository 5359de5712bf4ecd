"""What the stages of a pipeline train apart from each other, and share after an epoch."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from redditgnn.distributed.team import Team


class StageWeights:
    """The weights, statistics and optimizer's state that belong to this rank.

    Every rank holds the whole model. A parameter belongs to the rank that computes its gradient,
    and a buffer to the rank that trains its module.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, team: Team) -> None:
        self._model, self._optimizer, self._team = model, optimizer, team
        self._own: set[str] = set()
        for name, module in model.named_modules():
            names = [f"{name}.{buffer}" if name else buffer for buffer in module._buffers]
            if names:
                module.register_forward_pre_hook(partial(self._count_buffers, names))

    def count_gradients(self) -> None:
        """Take note of the parameters that have a gradient here."""
        named = self._model.named_parameters()
        self._own |= {name for name, parameter in named if parameter.grad is not None}

    def share(self) -> None:
        """Give every rank the weights and statistics of all."""
        state = self._model.state_dict()
        own = {name: tensor.cpu() for name, tensor in state.items() if name in self._own}
        for part in self._team.gather_values(own):
            self._model.load_state_dict(part, strict=False)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimizer, of all ranks together."""
        names = {parameter: name for name, parameter in self._model.named_parameters()}
        groups = self._optimizer.param_groups
        parameters = [parameter for group in groups for parameter in group["params"]]
        state: dict[str, Any] = self._optimizer.state_dict()
        own = {
            number: {key: _on_cpu(value) for key, value in values.items()}
            for number, values in state["state"].items()
            if names[parameters[number]] in self._own
        }
        for part in self._team.gather_values(own):
            state["state"].update(part)
        return state

    def _count_buffers(self, names: list[str], module: nn.Module, inputs: Any) -> None:
        if module.training:
            self._own |= set(names)


def _on_cpu(value: Any) -> Any:
    return value.cpu() if isinstance(value, Tensor) else value
