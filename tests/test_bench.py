"""The benchmarks: sides take turns, warm-up does not count, floors and tables are right."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import benchrow
import floors
import layer_kinds
import layers
import our_training
import performance_table as table
import probe
import pytest
import sidebyside
import torch
from sidebyside import Side, Timing, alternate, paired_ratio, spread

from redditgnn.graph import GraphData

SCRIPTS = Path(__file__).parents[1] / "scripts"
MakeGraph = Callable[..., GraphData]
CPU = torch.device("cpu")


class Clock:
    """A clock that only calls of sides move."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, ""

    def side(self, name: str, *seconds: float, warms_up: bool = True) -> Side:
        coming = iter(seconds)

        def call() -> None:
            self.calls += name
            self.now += next(coming)

        return Side(name, call, warms_up)

    def __call__(self) -> float:
        return self.now


def test_sides_take_turns_and_the_one_that_begins_changes() -> None:
    clock = Clock()
    sides = [clock.side("a", 9, 1, 1, 1), clock.side("b", 9, 2, 2, 2)]
    timings = alternate(sides, repeats=3, budget_s=0, clock=clock)
    assert clock.calls == "ab" + "ab" + "ba" + "ab"
    assert timings["a"].seconds == [1, 1, 1]
    assert timings["b"].seconds == [2, 2, 2]


def test_warming_up_is_not_counted_and_can_be_left_out() -> None:
    clock = Clock()
    sides = [clock.side("a", 100, 1), clock.side("b", 5, warms_up=False)]
    timings = alternate(sides, repeats=1, budget_s=0, clock=clock)
    assert clock.calls == "aab"
    assert (timings["a"].seconds, timings["b"].seconds) == ([1], [5])


def test_rounds_go_on_until_the_budget_is_spent() -> None:
    clock = Clock()
    timings = alternate([clock.side("a", *[1] * 20)], repeats=2, budget_s=5, clock=clock)
    assert len(timings["a"].seconds) == 6


def test_a_side_without_memory_is_left_out_and_the_others_go_on() -> None:
    clock = Clock()

    def fails() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmore")

    sides = [clock.side("a", 1, 1, 1), Side("b", fails)]
    timings = alternate(sides, repeats=2, budget_s=0, clock=clock)
    assert len(timings["a"].seconds) == 2
    assert timings["b"].out_of_memory == "CUDA out of memory. Tried to allocate"


def test_an_error_that_is_not_lack_of_memory_is_not_hidden() -> None:
    def fails() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        alternate([Side("a", fails)], repeats=1, budget_s=0)


def test_quantiles_are_those_at_20_and_80_percent() -> None:
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0, 6.0]) == (3.5, 2.0, 5.0)


def test_ratios_are_of_the_same_round() -> None:
    ratio = paired_ratio(Timing([2.0, 20.0, 8.0]), Timing([1.0, 10.0, 2.0]))
    assert ratio.median == 2.0
    assert ratio.high > 2.0


def test_memory_beyond_what_was_there_is_measured() -> None:
    side = Side("a", lambda: torch.ones(2**24))  # 64 MiB
    memory = sidebyside.memory_of(side, CPU)
    assert memory is not None
    assert 60 < memory.extra_mib < 90
    assert memory.peak_mib > memory.extra_mib


def test_floors_are_the_bytes_that_edges_and_nodes_must_move() -> None:
    shape = floors.Shape(nodes=0, edges=1, in_channels=64, heads=8, channels=8)
    assert floors.gat_bytes(shape) == (4 + 32 + 256, 2 * (4 + 32 + 256) + 4 + 256 + 96)
    assert floors.gatv2_bytes(shape) == (4 + 256, 2 * (4 + 256) + 4 + 512 + 64)
    assert floors.aggregation_bytes(shape) == (4 + 256, 2 * (4 + 256))
    wide = replace_shape(shape, in_channels=602, heads=1, channels=41)
    assert floors.aggregation_bytes(wide).forward == 4 + 4 * 41  # projected before it is read
    node = replace_shape(shape, nodes=1, edges=0)
    assert floors.gat_bytes(node).forward == 8 + 256 + 3 * 256 + 32


def replace_shape(shape: floors.Shape, **values: int) -> floors.Shape:
    return shape._replace(**values)


def test_bandwidth_counts_what_is_read_and_what_is_written() -> None:
    ticks = iter(range(100))
    measured = floors.copy_bandwidth(CPU, clock=lambda: next(ticks) * 0.5)
    assert measured == 2 * floors.COPIED_BYTES / 0.5


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # of PyG's GCNConv
@pytest.mark.parametrize("kind", layer_kinds.KINDS)
def test_every_side_computes_the_same_layer(kind: str, make_graph: MakeGraph) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    work = layer_kinds.Work(name="w", kind=kind, in_channels=6, heads=1, channels=8)
    for side in layers.available_sides(kind):
        case = layers.Case(work, graph, CPU)
        case.mask_cotangent()
        out = case.forward_backward(layers.SIDES[side](case))
        output_error, gradient_error = probe.errors_of(case, out)
        assert output_error < 1e-5, side
        assert gradient_error is not None
        assert gradient_error < 1e-5, side


def test_without_histories_the_halo_is_zero() -> None:
    h, node_ids = torch.ones(2, 3), torch.arange(5)
    states = our_training.ZeroHalo().exchange(0, h, node_ids)
    assert torch.equal(states, torch.cat([h, torch.zeros(3, 3)]))


def test_an_epoch_of_some_batches_has_that_many_training_nodes(make_graph: MakeGraph) -> None:
    graph = make_graph(num_nodes=60)
    fewer = our_training.first_targets(graph, 7)
    assert int(fewer.train_mask.sum()) == 7
    assert not (fewer.train_mask & ~graph.train_mask).any()


def a_row(**values: object) -> benchrow.Row:
    row = benchrow.Row(
        program="kernels",
        dataset="sbm 0.2",
        nodes=10,
        edges=1000,
        work="gat 8x8 forward",
        side="ours",
        reference="ours",
        n=3,
        median_s=0.5,
        low_s=0.4,
        high_s=0.6,
        floor_s=0.1,
        copy_gb_s=12.0,
    )
    return replace(row, **values)


PEER = {"side": "pyg edge_index", "median_s": 5.0, "ratio": 10.0, "ratio_low": 9.0}


def checkout(root: Path, *rows: benchrow.Row) -> Path:
    """Lay out a repository with measurements."""
    sheet = benchrow.Sheet(root / table.BENCH / "cpu-kernels.csv", CPU, None)
    for row in rows:
        sheet.write(row)
    (root / "docs").mkdir()
    (root / table.OVERVIEW).write_text(f"# T\n\n{table.BEGIN}\nold\n{table.END}\n\nThe rest.\n")
    return root


def made(root: Path) -> tuple[str, str]:
    """Return docs/speed.md and docs/performance.md."""
    assert table.main([], root) == 0
    return (root / table.OVERVIEW).read_text(), (root / table.DOCUMENT).read_text()


def test_the_table_says_who_is_faster_and_by_how_much(tmp_path: Path) -> None:
    peer = a_row(**PEER, ratio_high=12.0, extra_mib=70.0)
    overview, document = made(checkout(tmp_path, peer, a_row()))
    told = "| ours: 0.5 s | pyg edge_index 10 [9, 12] | -, 70 |"
    assert f"| gat 8x8 forward | sbm 0.2 {told}" in overview
    assert "The rest." in overview
    assert "| 0.5 [0.4, 0.6], n=3 |" in document
    assert "| 10.00 of ours |" in document
    assert f"torch {torch.__version__}" in document


def test_the_table_says_where_we_are_slower(tmp_path: Path) -> None:
    slower = {"side": "dgl", "ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6}
    overview, _ = made(checkout(tmp_path, a_row(), a_row(**slower)))
    assert "| dgl **0.5 [0.4, 0.6]** |" in overview


def test_a_peer_without_memory_is_told_of(tmp_path: Path) -> None:
    peer = a_row(side="pyg edge_index", status="oom", n=0, median_s=None, low_s=None, high_s=None)
    overview, document = made(checkout(tmp_path, a_row(), peer))
    assert "| ours: 0.5 s | pyg edge_index oom |" in overview
    assert "| pyg edge_index | oom |" in document


def test_a_reference_that_did_not_complete_has_no_seconds(tmp_path: Path) -> None:
    failed = {"status": "oom", "n": 0, "median_s": None, "low_s": None, "high_s": None}
    peer = a_row(**PEER | {"ratio": None, "ratio_low": None})
    overview, _ = made(checkout(tmp_path, a_row(**failed), peer))
    assert "| ours: oom | pyg edge_index ? |" in overview


def test_the_latest_measurement_counts(tmp_path: Path) -> None:
    overview, document = made(checkout(tmp_path, a_row(), a_row(median_s=0.25)))
    assert "ours: 0.25 s" in overview
    assert "| 0.25 [" in document
    assert "| 0.5 [" not in document


def test_a_stale_section_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = checkout(tmp_path, a_row())
    assert table.main(["--check"], root) == 1
    assert "run make performance" in capsys.readouterr().err
    assert table.main([], root) == 0
    assert table.main(["--check"], root) == 0


def test_without_measurements_the_section_says_so(tmp_path: Path) -> None:
    overview, document = made(checkout(tmp_path))
    assert table.NOTHING in overview
    assert table.NOTHING in document


def run_script(name: str, *options: str, out: Path) -> list[dict[str, str]]:
    """Run a program in a process of its own and return its rows."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", str(SCRIPTS / name), *options, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


SMALL = ("--scale", "0.003", "--repeats", "2", "--budget-s", "0", "--data-dir")


@pytest.mark.slow
def test_layers_are_measured_end_to_end(tmp_path: Path) -> None:
    options = (*SMALL, str(tmp_path), "--only", "gatv2 8x8")
    rows = run_script("bench_kernels.py", *options, out=tmp_path / "k.csv")
    phases = {row["work"] for row in rows}
    assert phases == {"gatv2 8x8 forward", "gatv2 8x8 forward_backward"}
    assert {"ours", layers.PLAIN} <= {row["side"] for row in rows}
    assert {row["status"] for row in rows} == {"completed"}
    for row in rows:
        assert row["side"] == "ours" or float(row["ratio"]) > 0
    both = [row for row in rows if row["work"].endswith("backward")]
    assert all(float(row["gradient_error"]) < 1e-4 for row in both)


@pytest.mark.slow
def test_a_peer_that_lacks_memory_is_found_out_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    work = layer_kinds.Work(name="w", kind="gat", heads=8, channels=8)
    place = probe.Place(
        dataset="sbm", scale=0.02, data_dir=str(tmp_path), device="cpu", memory_limit_gib=0.3
    )
    found = probe.probe(work, layers.PLAIN, "forward_backward", place)
    assert found.status == "oom"  # one tensor of edges x 64 takes 0.16 GiB, and it needs several
    assert "allocate" in found.note


@pytest.mark.slow
def test_steps_are_measured_end_to_end(tmp_path: Path) -> None:
    options = (*SMALL, str(tmp_path), "--batches", "1", "--num-workers", "0")
    rows = run_script(
        "bench_step.py", *options, "--only", "saint_edge batches,gas epoch", out=tmp_path / "s.csv"
    )
    sides = [row["side"] for row in rows if row["work"] == "gas epoch"]
    assert sides == ["without histories", "gas", "cluster"]
    assert all(float(row["median_s"]) > 0 for row in rows if row["status"] == "completed")


@pytest.mark.slow
def test_the_matrix_has_a_row_a_cell(tmp_path: Path) -> None:
    options = ("--scale", "0.003", "--epochs", "1", "--models", "gcn", "--samplers", "full")
    rows = run_script(
        "bench_matrix.py", *options, "--data-dir", str(tmp_path), out=tmp_path / "m.csv"
    )
    assert [(row["model"], row["sampler"], row["status"]) for row in rows] == [
        ("gcn", "full", "completed")
    ]
    assert rows[0]["dataset"] == "sbm 0.003"
