"""One case of the growth of cost with the graph: a preparation, or some batches of a training.

usage: python -m scripts.bench.growth_case CASE

CASE is a `Case` as JSON. It runs in this process, whose private memory is limited, and prints a
`Cost` as JSON in one line.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import functional as F

from redditgnn.config.compose import compose_settings
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.partition.parts import parts_of
from redditgnn.runtime.measure import peak_rss_mib, reset_peak_rss
from redditgnn.sampler.base import Sampler
from scripts.bench.cases.growing_graphs import num_parts
from scripts.bench.cases.training import OurTraining, first_targets
from scripts.bench.peers.pyg_training import (
    PygFullTraining,
    PygModel,
    PygTraining,
    gat_convs,
    pyg_data,
    sage_convs,
    sparse_transform,
)
from scripts.bench.step_bench import BATCH_SIZE, DROPOUT, FANOUTS, HIDDEN, LR, OPTIMIZER, SAMPLED
from scripts.bench.timing.alternate import spread
from scripts.bench.timing.memory import limit_memory, out_of_memory_text

Side = Literal["ours", "pyg"]
PATIENCE_S = 30.0  # of a case: no further epoch begins later
CPU = torch.device("cpu")
GAT_HIDDEN = 64
WIDE = (f"model.hidden_channels={HIDDEN}", f"model.dropout={DROPOUT}", *OPTIMIZER)
TRAININGS: dict[str, tuple[str, ...]] = {
    "sage full": ("model=sage", "sampler=full", *WIDE),
    "gat full": ("model=gat", "sampler=full", *OPTIMIZER),
    "sage neighbor": ("model=sage", *SAMPLED),
    "sage saint_rw": ("model=sage", "sampler=saint_rw", *WIDE),
    "sage cluster": ("model=sage", "sampler=cluster", "sampler.batch_size=4", *WIDE),
    "gcn gas": ("model=gcn", "sampler=gas", "sampler.batch_size=1", *WIDE),
}
PARTITIONS = ("metis", "leiden")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What to measure: a training, `graph` (its generation), or a partition.

    `rounds` epochs of at most `batches` batches are timed, and the first of all is not. `partition`
    is where the parts of cluster and gas come from. `limit_gib` is of private memory.
    """

    work: str
    side: Side
    scale: float
    data_dir: str
    partition: str
    batches: int
    rounds: int
    limit_gib: float | None

    @property
    def overrides(self) -> list[str]:
        """The settings of the training."""
        words = [*TRAININGS.get(self.work, ("sampler=full",)), "dataset=sbm"]
        if any(word in ("sampler=cluster", "sampler=gas") for word in words):
            words += [f"sampler.num_parts={parts_at(self.scale)}"]
            words += [f"sampler.partition={self.partition}"]
        return [*words, f"dataset.scale={self.scale:g}"]

    def load_graph(self) -> GraphData:
        """Load the graph, or generate it."""
        graph: GraphData = compose_settings(self.overrides).build("dataset", Path(self.data_dir))
        return graph


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What was measured. `status`: completed, cached (before, so not measured), oom, and so on.

    `epoch_batches`: batches of an epoch. `batch_s`: of a batch, median and quantiles at 20 and
    80 %, over epochs. `prepare_mib` and `train_mib` are peaks of resident memory, mapped files
    included.
    """

    status: str = "completed"
    note: str = ""
    nodes: int = 0
    edges: int = 0
    prepare_s: float | None = None
    prepare_mib: float | None = None
    epoch_batches: int | None = None
    batch_s: tuple[float, float, float] | None = None
    train_mib: float | None = None


class FewBatches:
    """The first `count` batches of each epoch of a sampler."""

    def __init__(self, sampler: Sampler, count: int) -> None:
        self._sampler, self._count, self.has_halo = sampler, count, sampler.has_halo

    def __len__(self) -> int:
        return min(self._count, len(self._sampler))

    def __iter__(self) -> Iterator[Batch]:
        return islice(iter(self._sampler), len(self))


def parts_at(scale: float) -> int:
    """Return the number of parts: their size stays, and a batch of cluster needs four."""
    return max(4, num_parts(scale))


def measure(case: Case) -> Cost:
    """Measure a case in this process."""
    graph_folder = Path(case.data_dir) / "redditgnn-cache"
    if case.work == "graph":
        before = {*graph_folder.glob("sbm-*")}
        cost = prepared(case.load_graph)
        is_new = bool({*graph_folder.glob("sbm-*")} - before)
        graph = case.load_graph()
        cost = cost if is_new else {"status": "cached"}
        return Cost(nodes=graph.num_nodes, edges=graph.num_edges, **cost)
    graph = case.load_graph()
    sizes: dict[str, Any] = {"nodes": graph.num_nodes, "edges": graph.num_edges}
    if case.work in PARTITIONS:
        assert graph.cache_dir is not None, "a loaded graph has a folder"
        for path in graph.cache_dir.glob(f"{case.work}-{parts_at(case.scale)}-*.npy"):
            path.unlink()
        cost = prepared(lambda: parts_of(graph, parts_at(case.scale), case.work))  # type: ignore[arg-type]
        return Cost(**sizes, **cost)
    return Cost(**sizes, **(pyg_cost if case.side == "pyg" else our_cost)(case, graph))


def prepared(call: Callable[[], object]) -> dict[str, Any]:
    """Return the seconds of a preparation, and its peak of memory or that of its process."""
    reset_peak_rss()
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"prepare_s": seconds, "prepare_mib": max(peak_rss_mib(), of_children)}


def our_cost(case: Case, graph: GraphData) -> dict[str, Any]:
    """Build the sampler, and train on a few batches."""
    settings, built = compose_settings(case.overrides), []
    num_layers = settings.components["model"]["num_layers"]
    cost = prepared(
        lambda: built.append(
            settings.build("sampler", graph, num_layers=num_layers, device=CPU, seed=0)
        )
    )
    few = FewBatches(built[0], case.batches)
    with tempfile.TemporaryDirectory() as folder:
        training = OurTraining(graph, case.overrides, CPU, Path(folder), few)
        seconds = epoch_seconds(training.epoch, case.rounds)
    return cost | training_cost(seconds, len(few), len(built[0]))


def pyg_cost(case: Case, graph: GraphData) -> dict[str, Any]:
    """Train as a user of PyG does, with batches from this process."""
    hidden = GAT_HIDDEN if case.work == "gat full" else HIDDEN
    widths = graph.spec.num_features, hidden, graph.num_classes
    convs = gat_convs(widths) if case.work == "gat full" else sage_convs(widths)
    model = PygModel(convs, F.elu if case.work == "gat full" else F.relu, DROPOUT)
    count, total = 1, 1
    reset_peak_rss()
    training: PygFullTraining | PygTraining
    if case.work.endswith("full"):
        training = PygFullTraining(graph, model, lr=LR, device=CPU)
    else:
        few = first_targets(graph, case.batches * BATCH_SIZE)
        count = -(-int(few.train_mask.sum()) // BATCH_SIZE)
        total = -(-int(graph.train_mask.sum()) // BATCH_SIZE)
        training = PygTraining(
            few,
            pyg_data(graph),
            model,
            num_neighbors=FANOUTS,
            batch_size=BATCH_SIZE,
            num_workers=0,
            lr=LR,
            device=CPU,
            transform=sparse_transform(),
        )
    return training_cost(epoch_seconds(training.epoch, case.rounds), count, total)


def training_cost(seconds: Sequence[float], count: int, epoch_batches: int) -> dict[str, Any]:
    """Return the cost of epochs of `count` batches that took `seconds`."""
    batch_s = spread([each / count for each in seconds])
    return {"epoch_batches": epoch_batches, "batch_s": batch_s, "train_mib": peak_rss_mib()}


def epoch_seconds(epoch: Callable[[], None], rounds: int) -> list[float]:
    """Return the seconds of `rounds` epochs, fewer if they take long, after one that warms up."""
    epoch()
    reset_peak_rss()
    seconds: list[float] = []
    while len(seconds) < rounds and sum(seconds) < PATIENCE_S:
        start = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - start)
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the cost of the case."""
    (text,) = arguments or sys.argv[1:]
    case = Case(**json.loads(text))
    limit_memory(CPU, case.limit_gib)
    try:
        cost = measure(case)
    except (MemoryError, RuntimeError) as error:
        cost = Cost(status="oom", note=out_of_memory_text(error))
    print(json.dumps(asdict(cost)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
