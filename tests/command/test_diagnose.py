"""`redditgnn diagnose`: tables of right and wrong, against cases counted by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import redditgnn
from redditgnn.command import diagnose as command
from redditgnn.graph.csr import CSR
from redditgnn.graph.data import GraphData, Names
from redditgnn.prediction import neighborhoods
from redditgnn.prediction.diagnosis import Tables, agreement, diagnose
from redditgnn.prediction.finding import finding_of
from redditgnn.report.writing import write_report

SBM = ("dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4")
RUN = (*SBM, "trainer.epochs=1", "device=cpu", "sampler=full", "model.hidden_channels=8")


@pytest.fixture
def path_graph(make_graph: Callable[..., GraphData]) -> GraphData:
    """0 -> 1 -> 2 -> 3 and 3 -> 2; node 4 has no edge. 0 is for training, the rest for testing."""
    edges = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 2]])
    csr = CSR.from_edge_index(edges, 5, 5)
    train = torch.arange(5) == 0
    return replace(
        make_graph(num_nodes=5, num_edges=0),
        rowptr=csr.rowptr,
        col=csr.col.int(),
        y=torch.tensor([0, 0, 1, 1, 2]),
        train_mask=train,
        val_mask=torch.zeros(5, dtype=torch.bool),
        test_mask=~train,
        names=Names(nodes=np.array(["a", "b", "c", "d", "e"]), classes=("x", "y", "z")),
    )


@pytest.mark.parametrize("edges_at_once", [1, 100])
def test_distance_and_homophily_follow_the_edges(
    edges_at_once: int, path_graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighborhoods, "EDGES_AT_ONCE", edges_at_once)
    around = neighborhoods.Neighborhoods(path_graph)
    assert around.distance.tolist() == [0, 1, 2, 3, -1]
    assert around.degree.tolist() == [0, 1, 2, 1, 0]
    np.testing.assert_equal(around.homophily, [math.nan, 1, 0.5, 1, math.nan])


def test_every_table_counts_as_a_hand_does(path_graph: GraphData) -> None:
    predicted = torch.tensor([0, 0, 0, 1, 1])
    probability = torch.tensor(
        [[1.0, 0, 0], [0.95, 0, 0.05], [0.6, 0.4, 0], [0.05, 0.95, 0], [0, 0.7, 0.3]]
    )
    tables = diagnose(path_graph, ("x", "y", "z"), predicted, probability, "test")
    degree = tables["degree"].set_index("degree")
    assert degree.nodes.to_dict() == {"0": 1, "1": 2, "2": 1}
    assert degree.accuracy.to_dict() == {"0": 0, "1": 1, "2": 0}
    homophily = tables["homophily"].set_index("homophily").nodes.to_dict()
    assert homophily == {"40% to 60%": 1, "80% to 100%": 2, "unknown": 1}
    assert tables["distance"].distance.tolist() == ["1", "2", "3", "not reached"]
    by_class = tables["class"].set_index("class")
    assert by_class.recall.to_dict() == {"x": 1, "y": 0.5, "z": 0}
    assert by_class.precision.tolist()[:2] == [0.5, 0.5]
    assert tables["confusion"].iloc[1].tolist() == ["y", 1, 1, 0]
    assert tables["calibration"].accuracy.tolist() == [0, 0, 1]
    assert tables["mistakes"].node.tolist() == ["e", "c"]
    assert tables["mistakes"].predicted.tolist() == ["y", "x"]


def test_agreement_counts_the_nodes_that_only_one_model_has_right(path_graph: GraphData) -> None:
    ours, theirs = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 1, 1, 1])
    table = agreement(path_graph, "test", ours, theirs, ("gat", "sage"))
    assert table.nodes.tolist() == [1, 1, 1, 1]
    assert table["nodes that are"].tolist()[1:3] == ["only gat right", "only sage right"]


def test_bins_of_degrees_hold_every_node() -> None:
    values = np.array([0] * 50 + [1] * 30 + list(range(2, 22)))
    bins = neighborhoods.quantile_bins(values)
    names = [bins.categories[code] for code in bins.codes]
    assert names[0] == "0"
    assert set(names[:50]) == {"0"}
    assert names[-1].endswith("to 21")


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[redditgnn.Run]:
    folder = tmp_path_factory.mktemp("diagnose")
    places = (f"data_dir={folder / 'data'}", f"results_dir={folder / 'results'}")
    return [redditgnn.train([*RUN, *places, f"model={model}"]) for model in ("mlp", "sage")]


def test_tables_are_printed_and_written(
    two_runs: list[redditgnn.Run], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = two_runs[0]
    results = f"results_dir={run.folder.parents[1]}"
    assert command.main([run.run_id, results]) == 0
    printed = capsys.readouterr().out
    folder = run.folder / "diagnosis"
    tables = run.diagnose()
    assert printed.endswith(f"wrote {folder / 'index.html'} and a CSV of each table\n")
    assert "By local homophily" in printed
    assert {path.stem for path in folder.glob("*.csv")} == set(tables)
    written = pd.read_csv(folder / "class.csv")
    assert written["nodes"].sum() == int(run.graph.test_mask.sum())
    assert "<td>" in (folder / "index.html").read_text()


def test_two_runs_stand_side_by_side(
    two_runs: list[redditgnn.Run], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    results = f"results_dir={two_runs[0].folder.parents[1]}"
    ids = [run.run_id for run in two_runs]
    assert command.main([*ids, results, "--out", str(tmp_path / "both"), "--split=val"]) == 0
    printed = capsys.readouterr().out
    assert "only sage right" in printed
    table = pd.read_csv(tmp_path / "both" / "degree.csv")
    columns = ["degree", "nodes", "accuracy of mlp", "accuracy of sage", "difference"]
    assert list(table) == columns


def test_the_report_links_the_diagnosis_of_the_best_run(two_runs: list[redditgnn.Run]) -> None:
    results_dir = two_runs[0].folder.parents[1]
    for run in two_runs:
        assert command.main([run.run_id, f"results_dir={results_dir}"]) == 0
    list(write_report(results_dir, results_dir / "report"))
    page = (results_dir / "report" / "index.html").read_text()
    (linked,) = (run for run in two_runs if f"Diagnosis of run {run.run_id}" in page)
    assert f'href="../runs/{linked.run_id}/diagnosis/index.html"' in page
    assert (linked.folder / "diagnosis" / "finding.txt").read_text().strip() in page


def test_a_diagnosis_of_other_nodes_does_not_replace_that_of_the_test_nodes(
    two_runs: list[redditgnn.Run],
) -> None:
    run, results = two_runs[0], f"results_dir={two_runs[0].folder.parents[1]}"
    assert command.main([run.run_id, results]) == 0
    own = (run.folder / "diagnosis" / "index.html").read_bytes()
    assert command.main([run.run_id, results, "--split=val"]) == 0
    assert command.main([run.run_id, results, "dataset.scale=0.002"]) == 0
    assert (run.folder / "diagnosis" / "index.html").read_bytes() == own
    assert (run.folder / "diagnosis-val" / "index.html").exists()
    other = (run.folder / "diagnosis-other-graph" / "index.html").read_text()
    assert "test nodes of sbm, which is another graph than the run's" in other.replace(
        "&#x27;", "'"
    )


def bins(name: str, *rows: tuple[str, int, float, float]) -> pd.DataFrame:
    columns = [name, "nodes", "accuracy of gat", "accuracy of sage"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(difference=table["accuracy of gat"] - table["accuracy of sage"])


@pytest.fixture
def beside() -> Tables:
    """Sage has 10 of 100 nodes more right: 12 more at low homophily, 2 fewer at high."""
    return {
        "agreement": pd.DataFrame(),
        "homophily": bins(
            "homophily", ("0% to 20%", 40, 0.2, 0.5), ("80% to 100%", 60, 0.9, 13 / 15)
        ),
        "degree": bins(
            "degree", ("1", 50, 0.6, 0.7), ("2 to 9", 46, 0.65, 0.75), ("10", 4, 0.3, 0.4)
        ),
        "distance": bins("distance", ("1", 100, 0.62, 0.72)),
    }


def test_the_finding_names_where_the_better_model_is_better(beside: Tables) -> None:
    assert finding_of(beside, "test") == (
        "sage has an accuracy of 71.1% on 100 test nodes, and gat of 61.1%. Most of the 10.0 "
        "points comes from homophily 0% to 20% (12.0 points, 40 nodes), degree 1 (5.0 points, 50 "
        "nodes)."
    )


def test_the_finding_on_one_model_names_where_it_is_right_least(beside: Tables) -> None:
    tables = {n: t.rename(columns={"accuracy of gat": "accuracy"}) for n, t in beside.items()}
    del tables["agreement"]
    assert finding_of(tables, "val") == (
        "The accuracy is 61.1% on 100 val nodes. It is lowest at homophily 0% to 20% (20.0% of 40 "
        "nodes), degree 1 (60.0% of 50 nodes)."
    )


def test_few_nodes_that_are_nearly_all_wrong_are_named_with_their_share_of_the_errors() -> None:
    rows = [("0% to 20%", 30, 0.0), ("20% to 40%", 9, 0.0), ("80% to 100%", 961, 0.98)]
    homophily = pd.DataFrame(rows, columns=["homophily", "nodes", "accuracy"])
    degree = pd.DataFrame([("1", 1000, 0.9418)], columns=["degree", "nodes", "accuracy"])
    tables = {"homophily": homophily, "degree": degree, "distance": degree}
    assert finding_of(tables, "test") == (
        "The accuracy is 94.2% on 1,000 test nodes. It is lowest at homophily 0% to 20% (0.0% of "
        "30 nodes, 51.5% of all errors)."
    )


def test_few_nodes_from_which_most_of_a_difference_comes_are_named(beside: Tables) -> None:
    rows = [("0% to 20%", 40, 0.1, 0.9), ("80% to 100%", 960, 0.9, 0.901)]
    finding = finding_of(beside | {"homophily": bins("homophily", *rows)}, "test")
    assert "homophily 0% to 20% (3.2 points, 40 nodes)" in finding


def test_models_that_are_equally_good_are_said_to_be(beside: Tables) -> None:
    tables = {
        n: t.assign(**{"accuracy of sage": t.get("accuracy of gat")}) for n, t in beside.items()
    }
    finding = "gat and sage have the same accuracy, 61.1% on 100 test nodes."
    assert finding_of(tables, "test") == finding


def test_several_labels_have_no_confusion_but_the_other_tables(tmp_path: Path) -> None:
    labels = ("dataset=sbm_multilabel", "dataset.scale=0.002", "dataset.num_features=8")
    places = (f"data_dir={tmp_path / 'data'}", f"results_dir={tmp_path / 'results'}")
    run = redditgnn.train(
        [*labels, "trainer.epochs=1", "device=cpu", "sampler=full", *places, "model=mlp"]
    )
    tables = run.diagnose()
    assert set(tables) == {"degree", "homophily", "distance", "class", "calibration"}
    row = run.predictions("test").iloc[0]
    assert set(row.label.split("|")) - {""} <= set(run.facts.class_names)


MISTAKES = {
    ("diagnose",): "diagnose needs a run",
    ("diagnose", "a", "b", "c"): "diagnose takes at most two runs, got a b c",
    ("diagnose", "latest", "--split=all"): "--split must be one of train, val, test, got all",
    ("diagnose", "latest", "--out=/dev/null", "R"): "--out: /dev/null cannot be written",
    ("diagnose", "latest", "latest", "R"): "cannot stand beside itself; name another run",
    ("diagnose", "latest", "R", "dataset.num_classes=5"): "sbm has the class '4', which the model",
    ("diagnose", "latest", "R", "dataset=sbm_multilabel", "dataset.num_features=8"): (
        "nodes of sbm_multilabel have several labels, and the model was trained on one label a node"
    ),
}


@pytest.mark.parametrize(("argv", "part"), MISTAKES.items())
def test_a_mistake_is_one_line(
    argv: tuple[str, ...], part: str, refused: Callable[..., str]
) -> None:
    assert part in refused(*(a.replace("R", "results_dir={here}/results") for a in argv))
