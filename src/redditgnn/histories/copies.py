"""Copies between host and device on a CUDA stream beside the one that computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor


class InFlight(NamedTuple):
    """Rows on their way to the device. `wait` makes the stream that computes wait for them."""

    rows: Tensor
    arrival: torch.cuda.Event | None

    def wait(self) -> Tensor:
        """Return the rows, for use on the current stream; the thread does not wait."""
        if self.arrival is not None:
            stream = torch.cuda.current_stream(self.rows.device)
            stream.wait_event(self.arrival)
            self.rows.record_stream(stream)  # its memory is not reused before this stream is done
        return self.rows


class CopyStream:
    """A stream for copies; for a device that is no CUDA device it copies nothing and never waits.

    `mark` and `InFlight.wait` are for the thread that computes, the others for the one that copies.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @property
    def needs_pinned(self) -> bool:
        """Whether host memory is to be page-locked, without which a copy holds its thread up."""
        return self._stream is not None

    def mark(self) -> torch.cuda.Event | None:
        """Return the moment when what the current stream has been given will be computed."""
        if self._stream is None:
            return None
        computed = torch.cuda.Event()
        computed.record(torch.cuda.current_stream(self._device))
        return computed

    def to_device(self, rows: Tensor) -> InFlight:
        """Send `rows`, which must be page-locked if `needs_pinned`."""
        if self._stream is None:
            return InFlight(rows, None)
        with self._entered():
            landed, arrival = rows.to(self._device, non_blocking=True), torch.cuda.Event()
            arrival.record(self._stream)
        return InFlight(landed, arrival)

    def to_host(self, rows: Tensor, computed: torch.cuda.Event | None) -> Tensor:
        """Fetch `rows` once they are `computed`; this thread waits until they are here."""
        if self._stream is None or computed is None:
            return rows
        with self._entered():
            self._stream.wait_event(computed)
            here = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
            here.copy_(rows, non_blocking=True)
            arrival = torch.cuda.Event()
            arrival.record(self._stream)
        arrival.synchronize()
        return here

    def _entered(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)
