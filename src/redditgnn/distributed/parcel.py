"""What one stage of a pipeline sends the next for a chunk, as a vector of a fixed length.

torch.distributed.pipelining wants the same shape for all chunks. So rows are padded to those of the
largest. The state of the random numbers travels as well. So a stage draws what one process would
draw in its place.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

FLOAT_BYTES = 4


class Parcels:
    """Packs and unpacks the states of the nodes of a chunk, of these `widths` each.

    Args:
        most_rows: The nodes of the largest chunk.
        device: What computes the states.
        wire: Where vectors are while they are sent.
    """

    def __init__(
        self, most_rows: int, widths: Sequence[int], device: torch.device, wire: torch.device
    ) -> None:
        self._most_rows, self._widths, self._device, self._wire = most_rows, widths, device, wire
        self._sizes = [most_rows * width for width in widths] + [len(_random_state(device))]

    @property
    def size(self) -> int:
        """The length of a vector."""
        return sum(self._sizes)

    def empty(self) -> Float[Tensor, " size"]:
        """Return a vector as an example of those that travel."""
        return torch.empty(self.size, device=self._wire, requires_grad=True)

    def pack(self, states: Sequence[Float[Tensor, "rows _"]]) -> Float[Tensor, " size"]:
        """Return a vector of the states, and of the random numbers that come next."""
        missing = self._most_rows - len(states[0])
        padded = [F.pad(h, (0, 0, 0, missing)).flatten() for h in states]
        return torch.cat([*padded, _random_state(self._device)]).to(self._wire)

    def unpack(
        self, vector: Float[Tensor, " size"], num_rows: int
    ) -> list[Float[Tensor, "rows _"]]:
        """Return the states in a vector, and let the random numbers be those of its sender."""
        *states, random_state = vector.to(self._device).split(self._sizes)
        _set_random_state(random_state, self._device)
        pairs = zip(states, self._widths, strict=True)
        return [flat.view(-1, width)[:num_rows] for flat, width in pairs]


def _random_state(device: torch.device) -> Float[Tensor, " state"]:
    """Return the states of torch's generators, whose bytes are taken for float32."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states).view(torch.float32).to(device)


def _set_random_state(state: Float[Tensor, " state"], device: torch.device) -> None:
    numbers = state.detach().cpu().view(torch.uint8)
    own = len(torch.get_rng_state())
    torch.set_rng_state(numbers[:own].clone())  # aligned, as torch reads it
    if device.type == "cuda":
        torch.cuda.set_rng_state(numbers[own:].clone(), device)


def sent_bytes(size: int, num_chunks: int, num_stages: int) -> int:
    """Return the bytes that all stages send in a step, vectors and their gradients."""
    return 2 * FLOAT_BYTES * (num_stages - 1) * num_chunks * size
