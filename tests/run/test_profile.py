"""`redditgnn train --profile` says what a step spends, and leaves a trace but no row."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from redditgnn.cli import main
from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.parts import Parts
from redditgnn.run.profile import MOST_STEPS, OUTSIDE, PHASES, profile_run
from tests.conftest import TINY

SAGE = (*TINY, "model=sage", "model.num_layers=2", "sampler=full")


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return [f"data_dir={tmp_path / 'data'}", f"results_dir={tmp_path / 'results'}"]


def test_phases_hold_their_operators_and_the_products_of_the_formula(folders: list[str]):
    settings = compose_settings([*SAGE, *folders])
    profiled = profile_run(settings)
    assert profiled.num_steps == MOST_STEPS
    assert tuple(profiled.phases) == PHASES
    for cost in profiled.phases.values():
        in_operators = sum(seconds for seconds, _ in cost.operators.values())
        assert 0 < in_operators < 1.001 * cost.seconds  # no operator is in two phases
    forward = profiled.phases["forward"]
    graph = Parts(settings).graph
    widths = graph.x.shape[1] * 8 + 8 * graph.num_classes
    assert forward.flop == MOST_STEPS * 2 * 2 * graph.num_nodes * widths  # own rows and means
    assert forward.operators["aten::mm"][1] >= 4 * MOST_STEPS
    assert forward.operators[OUTSIDE][1] == MOST_STEPS


def test_the_trace_names_the_phases_and_there_is_no_row(folders: list[str], tmp_path: Path):
    trace = profile_run(compose_settings([*SAGE, *folders])).trace
    with gzip.open(trace, "rt") as file:
        names = {event.get("name") for event in json.load(file)["traceEvents"]}
    assert names > set(PHASES)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["profiles"]


def test_an_operator_of_ours_has_its_own_name(folders: list[str]):
    neighbor = ["sampler=neighbor", "sampler.num_neighbors=[3,2]", "sampler.batch_size=64"]
    settings = compose_settings([*TINY, "model=gat", "model.heads=2", *neighbor, *folders])
    phases = profile_run(settings).phases
    assert phases["forward"].operators["redditgnn::gat_attention"][1] == 2 * MOST_STEPS
    assert phases["backward"].operators["redditgnn::gat_attention_backward"][1] == 2 * MOST_STEPS


def test_the_command_prints_the_table_and_the_operators(
    folders: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(["train", "--profile", *SAGE, *folders]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("one step (mean of 10 after warm-up)")
    assert "forward: most expensive operators" in printed
    assert "aten::mm" in printed
    assert "trace, for ui.perfetto.dev: " in printed


def test_several_processes_are_refused(folders: list[str]):
    with pytest.raises(ConfigError, match="--profile looks into one process; use parallel=none"):
        profile_run(compose_settings([*SAGE, "parallel=data", *folders]))
