"""The losses of a training, computed again in float64 on the CPU, on a small graph.

Both train on the same batches. So what the device computes is checked: sampled features and labels
through the loss, kernels, histories, captured steps and the optimizer. Dropout is off, since no two
devices draw the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from redditgnn.config.compose import compose_settings
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows
from redditgnn.histories.table import HistoryTable
from redditgnn.kernels.backend import use_backend
from redditgnn.parts import Parts
from scripts.bench.cases.training import OurTraining, first_targets
from scripts.bench.timing.memory import CPU

EPOCHS = 3  # a captured step is replayed from the fourth step on
SMALL_TARGETS = 160
EXACT = {  # Adam makes whole steps of what is nothing but rounding, unless its eps is larger
    "model.dropout": "0.0",
    "optimizer.eps": "0.001",
}
FEW_STEPS = {"sampler.batch_size": "32", "sampler.num_steps": "3"}  # where a batch is not of parts
LARGEST_ERRORS = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2}  # of a loss, relative


def training_fault(training: OurTraining, small: GraphData, folder: Path) -> str:
    """Train like `training` on a small graph; return how its losses are wrong, or nothing."""
    overrides, small = small_overrides(training.overrides), first_targets(small, SMALL_TARGETS)
    again = OurTraining(small, overrides, training.device, folder)
    for _ in range(EPOCHS):
        again.epoch()
    if "trainer.compile=true" in overrides:
        torch.compiler.reset()  # torch keeps few versions of a function, and these are not timed
    exact = exact_losses(small, overrides, training.device)
    errors = [abs(loss / other - 1) for loss, other in zip(again.losses, exact, strict=True)]
    if max(errors) <= LARGEST_ERRORS[again.precision]:  # also False for a loss that is no number
        return ""
    losses, exact_text = (
        ", ".join(f"{loss:.5g}" for loss in each) for each in (again.losses, exact)
    )
    return f"wrong numbers: on a small graph the losses are {losses}, in float64 {exact_text}"


def small_overrides(overrides: Sequence[str]) -> list[str]:
    """Return the settings without what rounding changes, and with smaller batches of nodes."""
    given = dict(override.split("=", 1) for override in overrides) | EXACT
    if "sampler.num_parts" not in given:
        given |= {key: value for key, value in FEW_STEPS.items() if key in given}
    return [f"{key}={value}" for key, value in given.items()]


def exact_losses(graph: GraphData, overrides: Sequence[str], device: torch.device) -> list[float]:
    """Return the mean loss of each epoch, in float64, over the batches that `device` gets."""
    parts = _parts(graph, [*overrides, "trainer.precision=fp32", "trainer.compile=false"], CPU)
    model, histories = parts.model.double().train(), HistoryTable(graph.num_nodes, CPU)
    sampler, means = _parts(graph, overrides, device).sampler, []
    with use_backend("torch", CPU):
        for _ in range(EPOCHS):
            losses = [
                parts.trainer.step(model, parts.optimizer, _in_float64(batch, histories))
                for batch in sampler
            ]
            means.append(float(torch.stack(losses).mean()))
    return means


def _parts(graph: GraphData, overrides: Sequence[str], device: torch.device) -> Parts:
    """Return parts of a training, of which the model is built, from its first weights."""
    settings = compose_settings([*overrides, f"device={device}", "trainer.epochs=1"])
    torch.manual_seed(settings.seed)
    parts = Parts(settings, graph=graph)
    _ = parts.model
    return parts


def _in_float64(drawn: Batch, histories: HistoryTable) -> Batch:
    """Return a batch of any device on the CPU, with its numbers in float64."""
    batch = drawn.to(drawn.rowptr.device).to(CPU)  # the first waits for a stream beside
    return replace(
        batch,
        features=Rows(batch.x.double()),
        loss_weight=batch.loss_weight.double(),
        edge_weight=_double(batch.edge_weight),
        row_scale=_double(batch.row_scale),
        histories=None if batch.histories is None else histories,
        _blocks={},
    )


def _double(weight: Tensor | None) -> Tensor | None:
    return None if weight is None else weight.double()
