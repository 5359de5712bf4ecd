"""One stage of a pipeline: some layers of a model, and the chunks that pass through them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import P2POp
from torch.distributed.pipelining import PipelineStage

from redditgnn.distributed.gradients import StepSum
from redditgnn.distributed.parcel import Parcels
from redditgnn.distributed.team import Team
from redditgnn.graph.batch import Batch
from redditgnn.graph.features import Rows
from redditgnn.model.base import Backbone
from redditgnn.runtime.measure import Phases
from redditgnn.trainer.step import Step

NO_FEATURES = Rows(torch.empty(0, 0), None)  # of a chunk, in all stages except the first


class Stage(nn.Module):
    """The `layers` of a model. `forward` takes the next chunk of the step.

    The last stage gives the loss of a chunk, others a vector for the next stage. `arriving` and
    `leaving` pack what comes from the stage before and what goes to the next. None: this is the
    first or the last stage.

    Attributes:
        busy_s: Seconds of computing, and of waiting for batches.
        error: What went wrong here. It reaches the caller as another error.
    """

    def __init__(
        self, step: Step, layers: range, arriving: Parcels | None, leaving: Parcels | None
    ) -> None:
        super().__init__()
        assert isinstance(step.model, Backbone)
        self.model, self._step, self._layers = step.model, step, layers
        self.arriving, self.leaving = arriving, leaving
        self.busy_s: float = 0.0
        self.error: BaseException | None = None
        self._numbers, self._losses = range(0), list[Tensor]()

    def begin_epoch(
        self,
        seed_of: Callable[[int], int],
        batches: Iterator[Batch],
        phases: Phases,
        total: StepSum,
    ) -> None:
        """Take chunks from `batches` from now on, and add their gradients to `total`.

        `seed_of` gives the seed of what a chunk draws, by its number. Seconds go to `phases`.
        """
        self._seed_of, self._batches, self._phases, self._sum = seed_of, batches, phases, total

    def begin_step(self, numbers: range) -> None:
        """Begin with the batches of these numbers in the epoch."""
        self._numbers, self._losses = numbers, []
        self._coming = iter(numbers)

    def forward(self, vector: Tensor) -> Tensor:
        """Compute the next chunk from the `vector` of the stage before."""
        with self._busy("transfer"):
            number, batch = next(self._coming), next(self._batches)
            if self.arriving is not None:
                batch = replace(batch, features=NO_FEATURES)
            batch = batch.to(self.device)
        with self._busy("compute"), self._sum.forward(number):
            batch.begin()
            h, h0 = self._inputs(number, batch, vector)
            states = self.model.apply_layers(self._layers, batch, h, h0)
            if self.leaving is None:
                loss = self._step.loss_of(self.model.decode(states), batch)
                self._losses.append(loss.detach())
                return loss.view(1)
            encoded = [h0[: batch.num_targets]] if self.model.reads_h0 else []
            return self.leaving.pack([*states, *encoded])

    @contextmanager
    def backward(self, place: int) -> Iterator[None]:
        """Enclose the backward pass of the chunk at `place` in the step."""
        with self._busy("compute"):
            yield
            loss = self._losses[place] if self._losses else torch.zeros((), device=self.device)
            self._sum.add(self._numbers[place], loss)

    @property
    def device(self) -> torch.device:
        """What computes the layers."""
        return self._step.device

    def _inputs(self, number: int, batch: Batch, vector: Tensor) -> tuple[Any, Any]:
        """Return the states that the first layer reads, and the encoded ones."""
        if self.arriving is None:
            torch.manual_seed(self._seed_of(number))
            h0 = self.model.encode(batch.features)
            return h0, h0
        h, *encoded = self.arriving.unpack(vector, batch.num_targets)
        h = batch.exchange(self._layers.start - 1, h)
        return h, encoded[0] if encoded else h

    @contextmanager
    def _busy(self, phase: str) -> Iterator[None]:
        """Count the seconds of work of this process, and keep its error."""
        start = time.perf_counter()
        try:
            with self._phases.phase(phase):
                yield
        except Exception as error:
            self.error = self.error or error.__cause__ or error
            raise
        finally:
            self.busy_s += time.perf_counter() - start


class SendingStage(PipelineStage):
    """A stage as torch.distributed.pipelining runs it; counts what it sends.

    Shapes are given: otherwise the first chunk would be computed twice, to learn them.
    """

    def __init__(self, stage: Stage, team: Team) -> None:
        one = torch.zeros(1, device=team.wire_device(stage.device))
        super().__init__(
            stage,
            team.rank,
            team.size,
            one.device,
            input_args=(one if stage.arriving is None else stage.arriving.empty(),),
            output_args=(one if stage.leaving is None else stage.leaving.empty(),),
        )
        self._stage, self._team = stage, team

    def backward_one_chunk(self, bwd_chunk_id: int, *arguments: Any, **keywords: Any) -> None:
        """Add the gradient of a chunk to those of the step."""
        with self._stage.backward(bwd_chunk_id):
            super().backward_one_chunk(bwd_chunk_id, *arguments, **keywords)

    def get_fwd_send_ops(self, fwd_chunk_id: int) -> list[P2POp]:
        """Return what sends the states of a chunk."""
        return self._counted(super().get_fwd_send_ops(fwd_chunk_id))

    def get_bwd_send_ops(self, bwd_chunk_id: int) -> list[P2POp]:
        """Return what sends the gradients of a chunk."""
        return self._counted(super().get_bwd_send_ops(bwd_chunk_id))

    def _counted(self, sends: list[P2POp]) -> list[P2POp]:
        self._team.traffic.sent_bytes += sum(send.tensor.nbytes for send in sends)
        return sends
