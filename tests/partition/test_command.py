"""redditgnn communities: what it prints, writes and refuses."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from redditgnn import CONF_DIR, cli
from redditgnn.command import communities
from redditgnn.config.arguments import parameters_of
from redditgnn.config.option import compose_option
from redditgnn.errors import ConfigError
from redditgnn.graph.data import Names
from redditgnn.prediction.facts import TrainingFacts

OPTIONS = sorted(path.stem for path in (CONF_DIR / "communities").glob("*.yaml"))
DATA = ("dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4")
QUICK = ("communities.resolution=1", "communities.restarts=2")
TABLES = {"membership.npy", "communities.csv", "blocks.csv", "labels.csv", "summary.json"}
FILES = TABLES | {"communities.html", "quotient.svg", "blocks.svg"}


def run(capsys: pytest.CaptureFixture[str], folder: Path, *argv: str) -> tuple[str, Path]:
    """Return what was printed, and the folder that was written."""
    places = (f"data_dir={folder / 'data'}", f"results_dir={folder / 'results'}")
    assert cli.main(["communities", *argv, *places]) == 0
    printed = capsys.readouterr().out
    return printed, Path(printed.strip().splitlines()[-1].removeprefix("wrote "))


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_lists_exactly_the_parameters_of_its_target_without_defaults(name):
    option = compose_option("communities", "leiden", [f"communities={name}"])
    parameters = parameters_of(option.call.func)
    kinds = {key: p for key, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert kinds.keys() == option.values.keys()
    assert {p.default for p in kinds.values()} == {inspect.Parameter.empty}
    assert option.call().restarts == 3


def test_the_files_agree_with_each_other_and_with_the_summary(capsys, recorded):
    printed, folder = run(capsys, recorded, *DATA, *QUICK)
    assert {path.name for path in folder.iterdir()} == FILES
    membership = np.load(folder / "membership.npy")
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    communities, labels = tables["communities"], tables["labels"]
    assert membership.dtype == np.int32
    assert np.bincount(membership).tolist() == communities["size"].tolist()
    assert labels.groupby("community").nodes.sum().tolist() == communities["size"].tolist()
    summary = json.loads((folder / "summary.json").read_text())
    assert tables["blocks"].edges.sum() == summary["edges"]
    shares = communities[["train_share", "val_share", "test_share"]].sum(axis=1)
    assert np.allclose(shares, 1)
    assert len(summary["starts"]) == 2
    assert summary["best"]["communities"] == len(communities)
    assert f"AMI {summary['labels']['ami']:.3f}" in printed


def test_conductance_and_purity_are_those_of_the_definition(capsys, recorded):
    from redditgnn.run.saved import load_run

    _, folder = run(capsys, recorded, *DATA, *QUICK)
    graph = load_run("latest", recorded / "results", data_dir=recorded / "data").graph
    membership = np.load(folder / "membership.npy")
    row = pd.read_csv(folder / "communities.csv").iloc[0]
    rows = np.repeat(np.arange(graph.num_nodes), graph.degree.numpy())
    first, second = membership[rows] == 0, membership[graph.col.numpy()] == 0
    cut, volume = (first & ~second).sum(), first.sum()
    assert row.conductance == pytest.approx(cut / min(volume, len(rows) - volume))
    assert row.inner_degree_share == pytest.approx(1 - cut / volume)
    assert (row.edges_out, row.edges_inside) == (cut, (volume - cut) // 2)
    counts = np.bincount(graph.y.numpy()[membership == 0])
    assert row.purity == pytest.approx(counts.max() / counts.sum())
    assert row.top_label == counts.argmax()


def test_a_run_adds_its_accuracy_and_the_shares_of_its_errors_add_up(capsys, recorded):
    printed, folder = run(capsys, recorded, "run=latest", *QUICK)
    table = pd.read_csv(folder / "communities.csv")
    assert "beside predictions" in printed
    tested = table[table.test_share > 0]
    weights = tested.test_share * tested["size"]
    scores = pd.read_csv(recorded / "results" / "runs.csv").test_accuracy.iloc[-1]
    assert (tested.test_accuracy * weights).sum() / weights.sum() == pytest.approx(scores)
    assert table.test_error_share.sum() == pytest.approx(1)
    assert "predictions" in json.loads((folder / "summary.json").read_text())


def test_the_same_command_writes_the_same_folder_again(capsys, recorded):
    _, first = run(capsys, recorded, *DATA, *QUICK)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    _, second = run(capsys, recorded, *DATA, *QUICK)
    assert first == second
    assert all(
        (second / name).read_bytes() == content
        for name, content in before.items()
        if name != "summary.json"  # has seconds
    )


def test_a_dry_run_says_the_memory_and_writes_nothing(capsys, recorded, tmp_path):
    argv = ["communities", *DATA, f"data_dir={recorded / 'data'}", f"results_dir={tmp_path}"]
    assert cli.main([*argv, "--dry-run"]) == 0
    assert "leiden, 11 starts" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_several_labels_a_node_are_not_compared(capsys, recorded):
    data = ("dataset=sbm_multilabel", "dataset.scale=0.001", "dataset.num_features=8")
    printed, folder = run(capsys, recorded, *data, "communities=label_propagation")
    assert "not defined: nodes may have several labels" in printed
    assert not (folder / "labels.csv").exists()


def test_names_of_nodes_and_missing_labels_are_in_the_files(capsys, tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\na,b\nb,c\nc,a\nd,e\ne,f\nf,d\na,d\n")
    nodes = (
        "id,label,size,split\na,x,1,train\nb,x,2,val\nc,,3,\nd,y,4,train\ne,y,5,test\nf,y,6,val\n"
    )
    (tmp_path / "nodes.csv").write_text(nodes)
    files = [f"dataset.{name}={tmp_path / name}.csv" for name in ("edges", "nodes")]
    printed, folder = run(capsys, tmp_path, "dataset=files", *files, *QUICK)
    assert "1 nodes have none" in printed
    table = pd.read_csv(folder / "membership.csv")
    groups = table.groupby("community").node.apply("".join)
    assert groups.tolist() == ["abc", "def"]
    communities = pd.read_csv(folder / "communities.csv")
    assert communities.labelled.tolist() == [2, 3]
    assert communities.top_label.tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("model=gat", ["model has no effect on communities", "dataset"]),
        ("communties=leiden", ["did you mean communities"]),
        ("communities=leidn", ["did you mean communities=leiden", "louvain"]),
        ("communities=", ["communities must be the name of an option"]),
        (
            "communities.resolution=high",
            ["communities.resolution must be auto or a number", "high"],
        ),
        ("communities.iteratons=3", ["did you mean communities.iterations"]),
        ("communities.objective=map", ["modularity or cpm", "map"]),
    ],
)
def test_a_mistake_is_refused_in_one_line(word, parts, capsys):
    assert cli.main(["communities", "dataset=sbm", word]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert [part for part in parts if part not in line] == []


def test_classes_of_a_graph_are_matched_with_those_of_the_run_by_name(monkeypatch, make_graph):
    trained = replace(make_graph(), names=Names(classes=("a", "b", "c")))
    other = replace(
        trained, y=trained.y % 2, num_classes=2, names=Names(classes=("c", "a"))
    )  # c is 0 and a is 1
    fake = SimpleNamespace(
        graph=other, facts=TrainingFacts.of(trained), predict=lambda: trained.y.clone()
    )
    monkeypatch.setattr("redditgnn.command.saved_runs.load", lambda *_: fake)
    words = communities.Words([], [], "latest", None)
    graph, predicted = communities._load_run(words, "latest", with_predictions=True)
    assert graph.class_names == ("a", "b", "c")
    assert graph.y.tolist() == [2 if old == 0 else 0 for old in other.y.tolist()]
    assert predicted is not None
    assert predicted.tolist() == trained.y.tolist()


def test_an_unknown_key_is_not_said_to_be_one_of_train():
    with pytest.raises(ConfigError) as caught:
        compose_option("communities", "leiden", ["communities.iteratons=3"])
    assert "train" not in str(caught.value)
