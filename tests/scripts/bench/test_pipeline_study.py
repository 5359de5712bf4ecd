"""The plot and the table of sweep=chunks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from redditgnn.graph.data import GraphData
from redditgnn.sweep.plan import Planner
from scripts import ROOT
from scripts.bench import pipeline_study
from scripts.bench.pipeline_study import WAYS, WHOLE

FACTS = {"device_name": "x", "torch_version": "2", "pyg_version": "2", "commit": "abc", "dirty": ""}


@pytest.fixture
def runs() -> pd.DataFrame:
    """Two seeds of the whole graph, and of 2 and 4 chunks made in each way."""
    kinds = [(WHOLE, 1), *((way, chunks) for way in WAYS.values() for chunks in (2, 4))]
    return pd.DataFrame(
        {"way": way, "chunks": chunks, "accuracy": 80.0 - chunks + seed, "seed": seed}
        | {"epochs": 100, "epoch_median_s": 0.5 * chunks, **FACTS}
        for way, chunks in kinds
        for seed in (0, 1)
    )


def test_the_sweep_takes_one_step_over_all_chunks_of_every_way() -> None:
    jobs = Planner(["sweep=chunks", "experiment=pubmed_gat", "seed=0"]).jobs()
    components = [job.settings.components for job in jobs]
    whole, *others = [(c["sampler"], c["trainer"]["batches_per_step"]) for c in components]
    assert "num_parts" not in whole[0]
    assert [(s["num_parts"], s["partition"]) for s, _ in others] == [
        (chunks, partition) for partition in ("order", "metis", "metis") for chunks in (2, 4, 8, 16)
    ]
    assert all(step == sampler["num_parts"] for sampler, step in others)
    assert all(sampler["batch_size"] == 1 for sampler, _ in others)


def test_the_runs_of_stages_are_those_of_one_process_in_two() -> None:
    chunks = Planner(["sweep=chunks", "experiment=pubmed_gat", "seed=0"]).jobs()
    stages = Planner(["sweep=stages", "experiment=pubmed_gat"]).jobs()
    assert [job.settings.parallel.processes for job in stages] == [2, 2]
    assert {job.config_hash for job in stages} <= {job.config_hash for job in chunks}


def test_a_row_has_the_seconds_of_a_pipeline(runs: pd.DataFrame) -> None:
    row = pipeline_study.stages_row(
        runs, runs[(runs.way == WAYS["gas", "metis"]) & (runs.chunks == 4)]
    )
    assert row.endswith("| not run | not run | 2 |")


def test_committed_runs_belong_to_the_ways_of_the_study() -> None:
    runs = pipeline_study.study_runs(ROOT / pipeline_study.RESULTS)
    assert {*runs.way} == {WHOLE, *WAYS.values()}
    assert {*runs[runs.way == WHOLE].chunks} == {1}
    assert {*runs[runs.way != WHOLE].chunks} <= {2, 4, 8, 16}
    assert (runs["trainer.batches_per_step"].fillna(1) == runs.chunks).all()
    assert {*runs.experiment} == {pipeline_study.EXPERIMENT}


def test_a_table_has_the_scores_of_each_way_beside_the_edges_that_chunks_keep(
    runs: pd.DataFrame, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40)
    header, _, order, metis, *lines = pipeline_study.table(runs, graph, with_seconds=True)
    assert header == "| chunks | 1 | 2 | 4 |"
    assert order.startswith("| edges inside of chunks in node order | 100% |")
    assert metis.startswith("| edges inside of chunks by METIS | 100% |")
    for way, scores, seconds in zip(WAYS.values(), lines[::2], lines[1::2], strict=True):
        assert scores == f"| {way} | 79.5 ± 0.7 | 78.5 ± 0.7 | 76.5 ± 0.7 |"
        assert seconds == "| seconds of an epoch | 0.5 | 1 | 2 |"
    assert len(pipeline_study.table(runs, graph, with_seconds=False)) == 4 + len(WAYS)
    assert pipeline_study.origin(runs).startswith("Test accuracy in percent; 2 seeds, 100 epochs")


def test_a_table_says_which_runs_are_missing(
    runs: pd.DataFrame, make_graph: Callable[..., GraphData]
) -> None:
    is_missing = (runs.way == WAYS["gas", "metis"]) & (runs.chunks == 4)
    *_, last = pipeline_study.table(runs[~is_missing], make_graph(), with_seconds=True)
    assert last == "| seconds of an epoch | 0.5 | 1 | not run |"


def test_a_plot_is_drawn_with_and_without_seconds(runs: pd.DataFrame, tmp_path: Path) -> None:
    sizes = {}
    for with_seconds in (False, True):
        picture = tmp_path / f"{with_seconds}.png"
        pipeline_study.draw(runs, picture, with_seconds=with_seconds)
        sizes[with_seconds] = picture.stat().st_size
    assert 10_000 < sizes[False] < sizes[True]
