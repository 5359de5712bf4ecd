"""Time training steps, exact evaluation and samplers: ours, and what a user of PyG writes.

usage: python -m scripts.bench.step [--scale S] [--only WORK,...] [--batches N] [...]

Every side trains with its own parts (sampler, loop, layers) on the same graph, with the same
first weights, fanouts [25, 10], 1,024 targets a batch, hidden width 256, dropout and Adam. The mean
training loss after equally many epochs is printed beside the time: if it differs by more than
chance, one of them does something else. PyG's loader gets the number of worker processes that is
fastest here. Its memory is that of the main process alone.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric import typing as extensions
from torch_geometric.loader import GraphSAINTEdgeSampler

from redditgnn.config.compose import compose_settings
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.batch import Batch
from redditgnn.graph.csr import entries_of_rows
from redditgnn.graph.data import GraphData
from scripts.bench.cases.training import OurTraining
from scripts.bench.options import add_setup, new_parser, setup_from
from scripts.bench.peers.pyg_training import (
    Convolutions,
    PygModel,
    PygTraining,
    gat_convs,
    gatv2_convs,
    inference_loader,
    pyg_can_sample,
    sage_convs,
    sparse_transform,
)
from scripts.bench.peers.reference import relative_error
from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet, csv_path
from scripts.bench.step_bench import (
    ATTENTION,
    BATCH_SIZE,
    DROPOUT,
    FANOUTS,
    HIDDEN,
    SAMPLED,
    TREE,
    StepBench,
)
from scripts.bench.step_histories import HISTORIES
from scripts.bench.step_precision import PRECISIONS
from scripts.bench.step_subgraphs import SUBGRAPHS
from scripts.bench.step_tiers import TIERS
from scripts.bench.timing.alternate import Side

SAINT_EDGES, SAINT_BATCHES = (4000, 400, 40), 3
CHECKED_ROWS = 8  # of exact evaluation: those of two hops are half of Reddit


def epoch(
    model_name: str,
    extra: Sequence[str],
    convs: Convolutions,
    activation: Callable[[Tensor], Tensor],
    work: str,
    bench: StepBench,
) -> list[Row]:
    """Time an epoch of sampled training."""
    overrides = [f"model={model_name}", *SAMPLED, *extra]
    ours = bench.ours(overrides, bench.train_graph)
    trainings: dict[str, OurTraining | PygTraining] = {"ours": ours}
    if bench.device.type == "cuda":  # where its step is one CUDA graph
        tree = [f"model={model_name}", *TREE, *extra]
        trainings["ours, neighbor_tree"] = bench.ours(tree, bench.train_graph)
    num_workers, note = None, "PyG's loaders are missing"
    if pyg_can_sample():
        num_workers, note = bench.num_workers
        for name, transform in {"pyg": None, "pyg sparse": sparse_transform()}.items():
            model = PygModel(convs(bench.widths), activation, DROPOUT)
            model.convs.load_state_dict(ours.model.convs.state_dict())
            trainings[name] = bench.pyg(
                bench.train_graph, model, num_workers=num_workers, transform=transform
            )
    settings = {
        "fanouts": FANOUTS,
        "batch_size": BATCH_SIZE,
        "batches": len(ours.sampler),
        "hidden": HIDDEN,
        "dropout": DROPOUT,
        "pyg_num_workers": num_workers,
    }
    return bench.compare_epochs(work, trainings, settings, note)


def evaluation(work: str, bench: StepBench) -> list[Row]:
    """Time the logits of all nodes, each from all of its neighbours."""
    overrides = ["model=sage", f"model.hidden_channels={HIDDEN}"]
    model = compose_settings(overrides).build("model", bench.graph.spec)
    model = model.to(bench.device).eval()
    results: dict[str, Tensor] = {}

    def store(name: str, compute: Callable[[], Tensor]) -> None:
        results[name] = compute()

    inference = ExactInference(bench.graph, bench.device, chunk_edges=None)
    computations: dict[str, Callable[[], Tensor]] = {"ours": partial(inference, model)}
    settings: dict[str, Any] = {"hidden": HIDDEN, "batch_size": BATCH_SIZE}
    if pyg_can_sample():
        peer = PygModel(sage_convs(bench.widths), F.relu, DROPOUT).to(bench.device)
        peer.convs.load_state_dict(model.convs.state_dict())
        settings["pyg_num_workers"] = workers = bench.num_workers[0]
        loader = partial(inference_loader, bench.data, batch_size=BATCH_SIZE, num_workers=workers)
        x = bench.graph.dense_x.to(bench.device)
        for name, sparse in (("pyg", False), ("pyg sparse", True)):
            computations[name] = partial(peer.inference, x, loader(sparse=sparse), bench.device)
    sides = [Side(name, partial(store, name, compute)) for name, compute in computations.items()]
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(bench.graph.num_nodes, generator=generator)[:CHECKED_ROWS]
    exact = float64_sage(bench.graph, model.convs, rows)
    return bench.compare(
        work, sides, settings, error=lambda name: relative_error(results[name][rows], exact)
    )


def float64_sage(graph: GraphData, convs: nn.ModuleList, rows: Tensor) -> Tensor:
    """Compute some rows of two layers of mean aggregation in float64, with scipy."""
    first, second = (
        {n: w.detach().cpu().double().numpy() for n, w in c.named_parameters()} for c in convs
    )
    outer, inner = _mean_of(graph, rows.numpy())
    hidden, outermost = _mean_of(graph, inner)
    x = graph.dense_x.numpy()
    h = _sage(hidden, x[outermost].astype(np.float64), x[inner].astype(np.float64), first)
    h = np.maximum(h, 0)
    own = np.searchsorted(inner, rows.numpy())
    return torch.from_numpy(_sage(outer, h, h[own], second))


def _sage(mean: Any, sources: Any, own: Any, weights: Mapping[str, Any]) -> Any:
    neighbors = mean @ (sources @ weights["lin_l.weight"].T)
    return neighbors + weights["lin_l.bias"] + own @ weights["lin_r.weight"].T


def _mean_of(graph: GraphData, rows: Any) -> tuple[Any, Any]:
    """Return the mean over the in-neighbours of `rows`, as a matrix, and the nodes it reads.

    Those are sorted, and `rows` are among them.
    """
    rowptr, _, entries = entries_of_rows(graph.rowptr, torch.from_numpy(rows))
    col = graph.col[entries].numpy()
    read = np.union1d(col, rows)
    degree = np.diff(rowptr.numpy())
    values = np.repeat(1 / np.maximum(degree, 1), degree)
    shape = (len(rows), len(read))
    return scipy.sparse.csr_matrix(
        (values, np.searchsorted(read, col), rowptr.numpy()), shape
    ), read


def saint_edge(work: str, bench: StepBench) -> Iterator[Row]:
    """Time how GraphSAINT's edge batches are drawn, features included.

    PyG's sampler fills a matrix of edges drawn x edges of the graph with random numbers. If that
    does not fit the memory, a tenth as many edges are drawn, until it does. PyG skips the
    normalisation, which ours computes.
    """
    if not extensions.WITH_TORCH_SPARSE:
        print("PyG's GraphSAINT sampler needs torch_sparse, which is not installed")
    for num_drawn in SAINT_EDGES:
        rows = _saint_edge(f"{work}, {num_drawn} edges drawn", bench, num_drawn)
        yield from rows
        if not any(row.side == "pyg" and row.status == "oom" for row in rows):
            return


def _saint_edge(work: str, bench: StepBench, num_drawn: int) -> list[Row]:
    overrides = [
        "sampler=saint_edge",
        f"sampler.batch_size={num_drawn}",
        f"sampler.num_steps={SAINT_BATCHES}",
        "sampler.sample_coverage=1",
    ]
    samplers = {
        "ours": compose_settings(overrides).build(
            "sampler", bench.graph, num_layers=2, device=bench.device, seed=0
        )
    }
    if extensions.WITH_TORCH_SPARSE:
        samplers["pyg"] = GraphSAINTEdgeSampler(
            bench.data, num_drawn, num_steps=SAINT_BATCHES, log=False
        )
    settings: dict[str, Any] = {"edges_drawn": num_drawn, "batches": SAINT_BATCHES}

    def exhaust(name: str) -> None:
        sizes = [(len(batch.x), edges_of(batch)) for batch in samplers[name]]
        nodes, edges = np.mean(sizes, axis=0)  # of the last call; written with the rows
        settings.update({f"{name}_nodes": round(nodes), f"{name}_edges": round(edges)})

    sides = [Side(name, partial(exhaust, name)) for name in samplers]
    return bench.compare(work, sides, settings)


def edges_of(batch: Any) -> int:
    """Return the number of edges of a batch, ours or PyG's."""
    return batch.col.numel() if isinstance(batch, Batch) else batch.num_edges


WORKS: dict[str, Callable[[str, StepBench], Iterable[Row]]] = {
    "sage epoch": partial(epoch, "sage", (), sage_convs, F.relu),
    "gat epoch": partial(epoch, "gat", ATTENTION, gat_convs, F.elu),
    "gatv2 epoch": partial(epoch, "gatv2", ATTENTION, gatv2_convs, F.elu),
    "exact evaluation": evaluation,
    "saint_edge batches": saint_edge,
    **HISTORIES,
    **SUBGRAPHS,
    **TIERS,
    **PRECISIONS,
}
DEFAULT = [*list(WORKS)[:5], "gas epoch"]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say."""
    parser = new_parser("step", __doc__)
    add_setup(parser, works=WORKS, default=DEFAULT)
    parser.add_argument(
        "--batches", type=int, default=10, help="batches that make an epoch; 0 for all (10)"
    )
    parser.add_argument(
        "--patience-s", type=float, default=math.inf, help="a slower call is timed once (no limit)"
    )
    parser.add_argument("--num-workers", type=int, help="of PyG's loaders (the fastest number)")
    options = parser.parse_args(argv)
    setup = setup_from(options)
    path = options.out or csv_path(setup.device_name, "step")
    sheet = Sheet(path, setup.device, setup.memory_limit_gib)
    with tempfile.TemporaryDirectory() as folder:
        bench = StepBench(
            setup,
            Path(folder),
            batches=options.batches,
            num_workers=options.num_workers,
            patience_s=options.patience_s,
        )
        for name in options.only:
            for row in WORKS[name](name, bench):
                sheet.write(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
