"""Batches made on a CUDA stream of their own, while the step before is computed on another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from redditgnn.graph.batch import Batch
from redditgnn.graph.features import Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class SideBatch(Batch):
    """A batch that may not be finished yet when it is handed over.

    `to`, which the training loop calls for every batch, makes the caller's stream wait for it. The
    caller's thread does not wait.
    """

    ready: torch.cuda.Event

    def to(self, device: torch.device) -> Batch:
        """Return the batch for use on the current stream of `device`, where it is already."""
        stream = torch.cuda.current_stream(device)
        stream.wait_event(self.ready)
        for tensor in tensors_of(self):
            tensor.record_stream(stream)  # its memory is not reused before this stream is done
        return Batch(**{field.name: getattr(self, field.name) for field in fields(Batch)})


class SideStream:
    """Makes batches for `device` on a stream beside the one that computes.

    One object a sampler: memory that torch has reserved for a stream stays with it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def made(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Make each of `batches` on the stream and move it to the device.

        What `batches` reads must have been there when the iteration starts. Elsewhere than on CUDA
        the batches are passed on as they are.
        """
        if self._stream is None:
            yield from batches
            return
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        while True:
            with torch.cuda.stream(self._stream):  # entered anew: the consumer may share the thread
                if (batch := next(batches, None)) is None:
                    return
                batch = _with_blocks(batch.to(self._device))
                ready = torch.cuda.Event()
                ready.record(self._stream)
            yield SideBatch(
                ready=ready, **{field.name: getattr(batch, field.name) for field in fields(Batch)}
            )


def tensors_of(batch: Batch) -> Iterator[Tensor]:
    """Every tensor that was made for this batch; blocks are views of them."""
    yield from (v for f in fields(Batch) if isinstance(v := getattr(batch, f.name), Tensor))
    rows: Rows = batch.features
    if rows.node_ids is not None:
        yield rows.node_ids
    elif isinstance(rows.table, Tensor):
        yield rows.table


def _with_blocks(batch: Batch) -> Batch:
    """Cut the blocks here: where their edges are not counted yet, that waits for this stream."""
    for layer in range(len(batch.num_dst)):
        batch.block(layer)
    return batch
