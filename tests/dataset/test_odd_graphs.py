"""Whatever a `Data` of PyG holds is a graph, or refused in one line that names the attribute."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn.config.compose import compose_settings
from redditgnn.dataset import pyg
from redditgnn.errors import UserError
from redditgnn.graph.data import GraphData
from tests.dataset.odd_graphs import ACCEPTED, GRAPHS, REFUSED

SOURCE = "tests.dataset.odd_graphs.odd"
MESSAGES = REFUSED | GRAPHS
THROUGH_COMMANDS = ["edges [3, E]", "x sparse in 3 dimensions", "graphs without masks"]


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """The keys of dataset=pyg, composed once."""
    composed = compose_settings(["dataset=pyg", f"dataset.source={SOURCE}", "dataset.name=odd"])
    keys = composed.components["dataset"].items()
    return {key: value for key, value in keys if key[0] != "_" and key != "inputs"}


@pytest.fixture
def load(settings: dict[str, object], tmp_path: Path) -> Callable[..., GraphData]:
    def loaded(case: str, **replaced: object) -> GraphData:
        return pyg.load(tmp_path, **{**settings, "arguments": {"case": case}, **replaced})

    return loaded


@pytest.mark.parametrize("case", MESSAGES)
def test_what_is_no_graph_is_refused_in_one_line(case: str, load: Callable[..., GraphData]) -> None:
    with pytest.raises(UserError) as error:
        load(case)
    assert MESSAGES[case][1] in str(error.value)
    assert str(error.value).startswith(("dataset=odd: ", "dataset."))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_can_be_meant_is_read_and_said(
    case: str, load: Callable[..., GraphData], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        graph = load(case)
    warnings = [record.getMessage() for record in caplog.records if record.name.count("dataset")]
    said = ACCEPTED[case][1]
    assert len(warnings) == (said != "")
    assert said in "".join(warnings)
    assert graph.num_edges == 2 * graph.num_nodes
    assert graph.names.classes in (None, ("0", "1", "2"))


@pytest.mark.parametrize("case", THROUGH_COMMANDS)
@pytest.mark.parametrize("command", ["data", "train"])
def test_commands_refuse_it_alike(command: str, case: str, tmp_path: Path, call: Callable) -> None:
    chosen = ["dataset=pyg", f"dataset.source={SOURCE}", "dataset.name=odd"]
    case_key = f"dataset.arguments.case='{case}'"
    code, stderr = call(command, *chosen, case_key, f"data_dir={tmp_path}", "device=cpu")
    assert code == 2, stderr
    assert MESSAGES[case][1] in stderr.splitlines()[-1]
    assert "Traceback" not in stderr


def test_a_random_split_of_several_graphs_says_that_it_draws_nodes(
    load: Callable[..., GraphData], caplog: pytest.LogCaptureFixture
) -> None:
    load("several graphs", split="random", train_per_class=2, val_per_class=2)
    assert "dataset.split=random draws nodes of each; dataset.split=ratio draws wh" in caplog.text


def test_a_batch_is_split_by_its_graphs(load: Callable[..., GraphData]) -> None:
    with pytest.raises(UserError, match="leave a split of 2 graphs empty"):
        load("a batch of graphs", split="ratio", train_ratio=0.6, val_ratio=0.2)


def test_the_table_is_long() -> None:
    assert len(MESSAGES) >= 90
