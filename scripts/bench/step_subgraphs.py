"""Training on subgraphs, and on the whole graph, without a peer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scripts.bench.rows.row import Row
from scripts.bench.step_bench import DROPOUT, HIDDEN, OPTIMIZER, StepBench
from scripts.bench.step_histories import PARTITION

SAGE = ("model=sage", f"model.hidden_channels={HIDDEN}", f"model.dropout={DROPOUT}", *OPTIMIZER)
WALKS = (
    *("sampler.batch_size=2000", "sampler.walk_length=4"),
    *("sampler.num_steps=30", "sampler.sample_coverage=5"),
)


def subgraphs(work: str, bench: StepBench) -> list[Row]:
    """Time an epoch on random walks, and on clusters."""
    trainings = {
        "saint_rw": bench.ours([*SAGE, "sampler=saint_rw", *WALKS]),
        "cluster": bench.ours([*SAGE, "sampler=cluster", *PARTITION]),
    }
    settings = {"model": "sage", "hidden": HIDDEN, "walks": WALKS, "partition": PARTITION}
    return bench.compare_epochs(work, trainings, settings)


def full_gat(heads: int, work: str, bench: StepBench) -> list[Row]:
    """Time a full-graph epoch of a three-layer GAT; its peak memory is what matters."""
    settings = {"layers": 3, "hidden": HIDDEN, "heads": heads, "dropout": DROPOUT}
    overrides = ["model=gat", "sampler=full", "model.num_layers=3", f"model.heads={heads}"]
    overrides += [f"model.hidden_channels={HIDDEN}", f"model.dropout={DROPOUT}"]
    training = bench.ours([*overrides, "model.attention_dropout=0.0"])
    return bench.compare_epochs(work, {"ours": training}, settings)


SUBGRAPHS: dict[str, Callable[[str, StepBench], list[Row]]] = {
    "subgraph epoch": subgraphs,
    "full gat 3 layers 1 head": partial(full_gat, 1),
    "full gat 3 layers 2 heads": partial(full_gat, 2),
}
