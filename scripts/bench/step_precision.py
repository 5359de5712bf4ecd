"""Sampled training in every number format, and compiled: speed and score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from redditgnn.evaluation.evaluator import Evaluator
from redditgnn.evaluation.exact import ExactInference
from redditgnn.runtime.hardware import bf16_obstacle, compile_obstacle
from scripts.bench.cases.training import OurTraining
from scripts.bench.rows.row import Row
from scripts.bench.step_bench import FANOUTS, HIDDEN, TREE, StepBench

FORMS = {
    "fp32": (),
    "tf32": ("trainer.precision=tf32",),
    "bf16": ("trainer.precision=bf16",),
    "fp32 compiled": ("trainer.compile=true",),
    "bf16 compiled": ("trainer.precision=bf16", "trainer.compile=true"),
}


def precisions(work: str, bench: StepBench) -> list[Row]:
    """Time an epoch of GraphSAGE in each form that runs here, and score what was trained.

    Batches of `neighbor_tree` have one shape: for those of `neighbor`, torch compiles again and
    again.
    """
    trainings = {
        form: bench.ours(["model=sage", *TREE, *FORMS[form]], bench.train_graph)
        for form in usable_forms(bench.device)
    }
    settings = {"fanouts": FANOUTS, "hidden": HIDDEN}
    rows = bench.compare_epochs(work, trainings, settings)
    most = max(len(training.losses) for training in trainings.values())
    for row in rows:
        while row.status == "completed" and len(trainings[row.side].losses) < most:
            trainings[row.side].epoch()  # scores are of equally many epochs
    return [
        replace(row, note=_score(trainings[row.side], bench)) if row.status == "completed" else row
        for row in rows
    ]


def usable_forms(device: torch.device) -> Iterator[str]:
    """Yield the forms that this machine can train in, and print what the others lack."""
    obstacles = {
        "tf32": None if device.type == "cuda" else "a CPU has no TF32",
        "bf16": bf16_obstacle(device),
        "compile": compile_obstacle(),
    }
    for form, overrides in FORMS.items():
        lacks = [
            o for word, o in obstacles.items() if o and any(word in each for each in overrides)
        ]
        if lacks:
            print(f"{form}: {lacks[0]}")
        else:
            yield form


def _score(training: OurTraining, bench: StepBench) -> str:
    evaluate = Evaluator(bench.graph, ExactInference(bench.graph, bench.device, chunk_edges=None))
    _, scores = evaluate(training.model, "test")
    return f"test micro-F1 {scores['micro_f1']:.4f} after {len(training.losses)} epochs"


PRECISIONS: dict[str, Callable[[str, StepBench], list[Row]]] = {"precision": precisions}
