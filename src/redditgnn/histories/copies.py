"""Copies between host and device on a CUDA stream beside the one that computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor


class InFlight(NamedTuple):
    """Rows on their way to the device. `wait` makes the current stream wait for them."""

    rows: Tensor
    arrival: torch.cuda.Event | None

    def wait(self) -> Tensor:
        """Return the rows for use on the current stream, without blocking the thread."""
        if self.arrival is not None:
            stream = torch.cuda.current_stream(self.rows.device)
            stream.wait_event(self.arrival)
            self.rows.record_stream(stream)  # its memory is not reused before this stream is done
        return self.rows


class CopyStream:
    """A CUDA stream for copies. For other devices it copies nothing and never waits.

    `mark` and `InFlight.wait` are for the computing thread, the others for the copying one.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @property
    def needs_pinned(self) -> bool:
        """Whether host memory must be page-locked, because other copies block their thread."""
        return self._stream is not None

    def mark(self) -> torch.cuda.Event | None:
        """Return an event at the end of the current stream's work so far."""
        if self._stream is None:
            return None
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self._device))
        return event

    def to_device(self, rows: Tensor) -> InFlight:
        """Start to copy `rows`, which must be page-locked if `needs_pinned`."""
        if self._stream is None:
            return InFlight(rows, None)
        with self._use_stream():
            device_rows, arrival = rows.to(self._device, non_blocking=True), torch.cuda.Event()
            arrival.record(self._stream)
        return InFlight(device_rows, arrival)

    def to_host(self, rows: Tensor, event: torch.cuda.Event | None) -> Tensor:
        """Fetch `rows` after `event`, which marks them computed. Blocks until they are here."""
        if self._stream is None or event is None:
            return rows
        with self._use_stream():
            self._stream.wait_event(event)
            host_rows = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
            host_rows.copy_(rows, non_blocking=True)
            arrival = torch.cuda.Event()
            arrival.record(self._stream)
        arrival.synchronize()
        return host_rows

    def _use_stream(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)
