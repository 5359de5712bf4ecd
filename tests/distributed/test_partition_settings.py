"""The keys of parallel=partition: what is hashed, what is refused, and what a dry run says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from redditgnn.command.advice import advise_parts
from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.distributed.balance import Balance
from redditgnn.errors import ConfigError
from redditgnn.memory.estimate import Estimate
from redditgnn.run.parallel import resolve_parallel
from tests.conftest import TINY, random_graph

WHOLE = ["dataset=sbm", "sampler=full", "device=cpu"]
PARTS = [*WHOLE, "parallel=partition", "parallel.processes=2"]


def hash_of(*overrides: str) -> str:
    return hash_of_config(resolve_parallel(compose_settings(overrides)))


@pytest.mark.parametrize("cut", ["metis", "random", "order"])
def test_exact_training_on_parts_has_the_hash_of_the_whole_graph(cut: str) -> None:
    whole = hash_of(*WHOLE)
    assert hash_of(*PARTS, f"parallel.partition={cut}") == whole
    assert hash_of(*PARTS, "parallel.processes=1") == whole


def test_what_departs_from_the_whole_graph_is_hashed_with_the_parts() -> None:
    changes = [
        [],
        ["parallel.staleness=1"],
        ["parallel.staleness=1", "parallel.smoothing=0.5"],
        ["parallel.boundary_rate=0.1"],
        ["parallel.boundary_rate=0.1", "parallel.partition=random"],
        ["parallel.boundary_rate=0.1", "parallel.processes=1"],
        ["parallel.wire_dtype=bf16"],
    ]
    assert len({hash_of(*PARTS, *change) for change in changes}) == len(changes)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampler=neighbor"], "got sampler=neighbor; use sampler=full"),
        (["trainer.batches_per_step=2"], "one step an epoch, got trainer.batches_per_step=2"),
        (["trainer.compile=true"], "use trainer.compile=false with parallel=partition"),
        (["parallel.staleness=2"], "parallel.staleness must be 0 or 1 steps, got 2"),
        (["parallel.boundary_rate=0"], "must be above 0 and at most 1, got 0"),
        (["parallel.smoothing=1", "parallel.staleness=1"], "at least 0 and below 1, got 1"),
        (["parallel.smoothing=0.5"], "has no effect without parallel.staleness=1"),
        (["parallel.staleness=1", "parallel.boundary_rate=0.5"], "set one of them"),
        (["parallel.partition=leiden"], "parallel.partition must be"),
    ],
)
def test_what_parts_cannot_do_is_refused_before_a_process_starts(
    overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        resolve_parallel(compose_settings([*PARTS, *overrides]))


def test_a_convolution_that_reads_more_than_own_edges_is_refused(call, tmp_path: Path) -> None:
    conv = "model.conv._target_=torch_geometric.nn.GCNConv"
    places = [f"data_dir={tmp_path}", f"results_dir={tmp_path}"]
    parts = ["sampler=full", "parallel=partition", "parallel.processes=2"]
    code, stderr = call("train", "--dry-run", *TINY, "model=pyg", conv, *parts, *places)
    assert code == 2
    assert "parallel=partition would give wrong numbers" in stderr


def test_a_dry_run_says_how_even_the_parts_are_and_what_a_step_sends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from redditgnn.command.dry_run import describe_run

    overrides = [*TINY, "model.num_layers=3", f"data_dir={tmp_path}", *PARTS[1:]]
    text = describe_run(compose_settings(overrides))
    halo = re.search(r"([\d,]+) halo rows \(([\d.]+) x the mean\)", text)
    assert halo is not None, text
    rows = int(halo[1].replace(",", "")) * 2 / float(halo[2])
    sent = re.search(r"sent in a step +([\d.]+) MiB by 2 processes together", text)
    assert sent is not None, text
    assert "memory below is that of rank 0" in text
    assert re.search(r"advice +parallel=data with sampler=neighbor: a step on the whole gr", text)
    assert float(sent[1]) == pytest.approx(2 * 4 * 2 * 8 * rows / 2**20, abs=0.06)


@pytest.mark.parametrize(
    ("halo", "free", "expected"),
    [
        ((5, 4), 0, r"^parallel=partition: a step .* takes about \d+ MiB of 0 free$"),
        ((20, 19), 0, "; its halos have 3.9 rows a node, so use parallel.boundary_rate=0.1 where"),
        ((20, 19), 2**40, "^parallel=data with sampler=neighbor: a step on the whole graph takes"),
    ],
)
def test_parts_are_advised_where_one_process_cannot_hold_the_step(
    halo: tuple[int, int], free: int, expected: str
) -> None:
    nothing = dict.fromkeys((field.name for field in fields(Estimate)), 0)
    estimated = Estimate(**{**nothing, "chunk_edges": None, "per_node": 2**20})
    graph, balance = random_graph(num_nodes=10), Balance((5, 5), (9, 9), halo)
    assert re.search(expected, advise_parts(graph, balance, estimated, free))
