"""redditgnn evolve: what it prints, writes and refuses, on the contacts of an office."""

from __future__ import annotations

import inspect
from pathlib import Path

import pandas as pd
import pytest

from redditgnn import cli
from redditgnn.config.arguments import parameters_of
from redditgnn.config.option import compose_option

OFFICE = Path(__file__).parents[1] / "data" / "SocioPatterns"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A data root with the office's files linked in, and a folder for results."""
    folder = tmp_path_factory.mktemp("evolve")
    (folder / "data" / "SocioPatterns").mkdir(parents=True)
    (folder / "data" / "SocioPatterns" / "raw").symlink_to(OFFICE / "raw")
    return [f"data_dir={folder}/data", f"results_dir={folder}/results"]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert cli.main(["evolve", "dataset=workplace", *argv]) == 0
    return capsys.readouterr().out


def test_the_option_lists_exactly_the_parameters_of_its_target_without_defaults():
    option = compose_option("evolve", "default", [])
    parameters = parameters_of(option.call.func)
    assert parameters.keys() == option.values.keys()
    assert {p.default for p in parameters.values()} == {inspect.Parameter.empty}


def test_an_office_in_five_windows_changes_more_than_noise_and_follows_its_departments(
    capsys, places
):
    printed = run(capsys, *places)
    assert "4 of 4 steps change the communities more than chance does" in printed
    page = Path(printed.strip().splitlines()[-1].removeprefix("wrote "))
    assert page.name == "evolution.html"
    table = pd.read_csv(page.parent / "snapshots.csv")
    assert table.entries.sum() == 2 * 78_249
    assert table.total_nodes.tolist()[-1] == 217
    assert table.total_edges.tolist()[-1] == 4_274
    assert table.nmi_labels.between(0.5, 0.88).all()
    assert table.nmi_previous[1:].between(0.45, 0.73).all()


def test_describe_finds_no_communities_and_a_growing_graph_ends_as_the_whole(capsys, places):
    words = ("evolve.task=describe", "evolve.mode=cumulative", "evolve.windows=3")
    printed = run(capsys, *places, *words)
    folder = Path(printed.strip().splitlines()[-1].removeprefix("wrote ")).parent
    names = {path.name for path in folder.iterdir()}
    assert names == {"evolution.html", "snapshots.csv", "summary.json"}
    last = pd.read_csv(folder / "snapshots.csv").iloc[-1]
    assert (last.nodes, last.edges) == (217, 4_274)
    assert last.homophily == pytest.approx(0.421, abs=5e-4)
    assert last.adjusted_homophily == pytest.approx(0.324, abs=5e-4)


def test_a_dry_run_says_the_windows_and_writes_nothing(capsys, places, tmp_path):
    printed = run(capsys, places[0], f"results_dir={tmp_path}", "evolve.windows=1d", "--dry-run")
    assert "snapshot 10" in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["evolve.windws=3"], "did you mean evolve.windows?"),
        (["evolve.windows=0"], "evolve.windows must be positive, got 0"),
        (["evolve.windows=60s"], "evolve.windows=60s makes 6,521 windows, and 1,000 is the most"),
        (["evolve.mode=growing"], "evolve.mode must be snapshots or cumulative"),
        (["evolve.threshold=1"], "evolve.threshold must be in (0, 1), got 1"),
        (["evolve.resolution=0"], "evolve.resolution must be positive, got 0"),
        (["model=gat"], "model has no effect on an evolution; choose from evolve.KEY"),
        (["--foo"], "unknown option --foo"),
    ],
)
def test_a_mistake_is_one_line(words, part, places, call):
    code, stderr = call("evolve", "dataset=workplace", *places, *words)
    assert (code, stderr.count("\n")) == (2, 1), stderr
    assert part in stderr


def test_a_graph_without_times_is_refused_with_those_that_have_some(places, call):
    words = ("dataset=sbm", "dataset.scale=0.001", "dataset.num_classes=4")
    code, stderr = call("evolve", *words, *places)
    assert (code, stderr.count("\n")) == (2, 1), stderr
    assert "dataset.times" in stderr
    assert "workplace" in stderr
