"""Training by the project's own parts, as `redditgnn train` puts them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from redditgnn.config.compose import compose_settings
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData, Split
from redditgnn.metric.base import METRIC_NAMES, Scores
from redditgnn.parts import Parts
from redditgnn.record.rows import EpochRow
from redditgnn.runtime.precision import Precision, float32_products
from redditgnn.sampler.base import Sampler
from redditgnn.trainer.cuda_graph import captured_training


class OurTraining:
    """Epochs of `redditgnn.trainer.loop.Trainer`, without evaluation.

    A step that CUDA captures is captured once, as in a run, not anew in every epoch.

    Attributes:
        overrides: The settings of the model, the sampler and the training.
        has_own_sampler: Whether the sampler is another than that of the settings.
        losses: Mean training loss of every epoch so far.
    """

    def __init__(
        self,
        graph: GraphData,
        overrides: Sequence[str],
        device: torch.device,
        folder: Path,
        sampler: Sampler | None = None,
    ) -> None:
        settings = compose_settings([*overrides, f"device={device}", "trainer.epochs=1"])
        torch.manual_seed(settings.seed)
        self.overrides, self.device, self.has_own_sampler = overrides, device, sampler is not None
        self._parts = parts = Parts(settings, graph=graph)
        self.model: Any = parts.model
        self.sampler = sampler or parts.sampler
        self._best = folder / f"{id(self)}.pt"
        self.losses: list[float] = []
        take_step = parts.trainer.new_step(self.model, parts.optimizer)
        self._captured = captured_training(self.sampler, take_step, parts.optimizer, device)

    @property
    def precision(self) -> Precision:
        """The number format of matrix products."""
        return self._parts.trainer.precision

    def epoch(self) -> None:
        """Train on every batch once."""
        with float32_products(self.precision):
            if self._captured is None:
                self._fit()
            else:
                self.model.train()
                losses = self._captured.run_epoch(_nothing)
                self.losses.append(float(losses.mean()))

    def _fit(self) -> None:
        self._parts.trainer.fit(
            self.model,
            self._parts.optimizer,
            self._parts.scheduler,
            self.sampler,
            _no_evaluation,
            self._best,
            self._record,
        )

    def _record(self, row: EpochRow) -> None:
        self.losses.append(row.train_loss)


def _nothing() -> None:
    """Do nothing after a step."""


def _no_evaluation(model: nn.Module, split: Split) -> tuple[float, Scores]:
    return 0.0, dict.fromkeys(METRIC_NAMES, 0.0)


@dataclass(frozen=True)
class ZeroHalo:
    """Instead of histories: nothing is pushed, and zeros are pulled."""

    def begin(self) -> None:
        """Nothing is fetched."""

    def penalty(self, model: Any, batch: Any) -> None:
        """Nothing is added to the loss."""

    def exchange(self, layer: int, h: Tensor, node_ids: Tensor) -> Tensor:
        """Append zeros for the halo."""
        return torch.cat([h, h.new_zeros(len(node_ids) - len(h), h.size(1))])


class WithoutHistories:
    """The batches of a sampler with histories, without them."""

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self.has_halo = sampler.has_halo

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._sampler:
            yield replace(batch, histories=ZeroHalo())


class OneBatch:
    """Epochs of one batch, so that an epoch is a step.

    Attributes:
        num_targets: Nodes of the last batch that are computed; the others are its halo.
        num_nodes: Nodes of the last batch, the halo included.
        num_edges: Edges of the last batch.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.sampler, self.has_halo = sampler, sampler.has_halo
        self.num_targets = self.num_nodes = self.num_edges = 0

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batch]:
        batch = next(iter(self.sampler))
        self.num_targets, self.num_nodes = batch.num_dst[-1], len(batch.node_ids)
        self.num_edges = len(batch.col)
        yield batch


def first_targets(graph: GraphData, num_targets: int) -> GraphData:
    """Return the graph with `num_targets` random training nodes, so that an epoch is shorter."""
    ids = graph.train_mask.nonzero().view(-1)
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros_like(graph.train_mask)
    mask[ids[torch.randperm(len(ids), generator=generator)[:num_targets]]] = True
    return replace(graph, train_mask=mask)
