"""Batches built on a separate CUDA stream, while the previous step runs on another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from redditgnn.graph.batch import Batch
from redditgnn.graph.features import Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class SideBatch(Batch):
    """A batch that the stream may not have finished yet.

    The training loop calls `to` for every batch, which makes the caller's stream wait for it. The
    caller's thread does not wait.
    """

    ready: torch.cuda.Event

    def to(self, device: torch.device) -> Batch:
        """Return the batch for use on the current stream of `device`, where it is already."""
        stream = torch.cuda.current_stream(device)
        stream.wait_event(self.ready)
        for tensor in batch_tensors(self):
            tensor.record_stream(stream)  # its memory is not reused before this stream is done
        return Batch(**{field.name: getattr(self, field.name) for field in fields(Batch)})


class SideStream:
    """Builds batches for `device` on another stream than the computing one.

    Each sampler has one object: memory that torch has reserved for a stream stays with it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def build(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Build each of `batches` on the stream and move it to the device.

        Tensors that `batches` reads must exist when the iteration starts. Without CUDA the batches
        pass through unchanged.
        """
        if self._stream is None:
            yield from batches
            return
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        while True:
            with torch.cuda.stream(self._stream):  # each time: the consumer may share the thread
                if (batch := next(batches, None)) is None:
                    return
                batch = _build_blocks(batch.to(self._device))
                ready = torch.cuda.Event()
                ready.record(self._stream)
            yield SideBatch(
                ready=ready, **{field.name: getattr(batch, field.name) for field in fields(Batch)}
            )


def batch_tensors(batch: Batch) -> Iterator[Tensor]:
    """Yield every tensor that belongs to this batch. Blocks are views of them."""
    yield from (v for f in fields(Batch) if isinstance(v := getattr(batch, f.name), Tensor))
    rows: Rows = batch.features
    if rows.node_ids is not None:
        yield rows.node_ids
    elif isinstance(rows.table, Tensor):
        yield rows.table


def _build_blocks(batch: Batch) -> Batch:
    """Build the blocks here: where their edges are not counted yet, this waits for the stream."""
    for layer in range(len(batch.num_dst)):
        batch.block(layer)
    return batch
