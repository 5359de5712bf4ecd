"""`redditgnn predict`: files of answers, on the run's own graph and on others."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

import redditgnn
from redditgnn.command import predict

SBM = ("dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4")
RUN = (*SBM, "trainer.epochs=1", "device=cpu", "sampler=full", "model.hidden_channels=8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("predict")


@pytest.fixture(scope="module")
def trained(folder: Path) -> redditgnn.Run:
    places = (f"data_dir={folder / 'data'}", f"results_dir={folder / 'results'}")
    return redditgnn.train([*RUN, *places, "model=gat", "model.heads=2"])


@pytest.fixture
def answer(trained: redditgnn.Run, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Predict with the run, and return what is printed."""
    results = f"results_dir={trained.folder.parents[1]}"

    def run(*argv: str) -> str:
        assert predict.main([trained.run_id, results, *argv]) == 0
        return capsys.readouterr().out

    return run


def test_a_row_says_node_split_label_class_and_probabilities(
    trained: redditgnn.Run, answer: Callable[..., str]
) -> None:
    printed = answer()
    path = trained.folder / "predictions.csv"
    assert printed == f"wrote 233 nodes of sbm, the run's own graph, to {path}\n"
    table = pd.read_csv(path)
    names = [f"probability_{number}" for number in range(4)]
    assert list(table) == ["node", "split", "label", "predicted", *names]
    assert table.predicted.tolist() == trained.predict().tolist()
    assert table.label.tolist() == trained.graph.y.tolist()
    assert (table.split == "test").tolist() == trained.graph.test_mask.tolist()
    np.testing.assert_allclose(table[names], trained.probabilities(), rtol=1e-6)


def test_the_three_kinds_of_files_hold_the_same(
    trained: redditgnn.Run, answer: Callable[..., str], tmp_path: Path
) -> None:
    for ending in ("csv", "parquet", "npz"):
        answer("--out", str(tmp_path / f"a.{ending}"), "--split=val", "--embeddings", "--attention")
    for name, many, prefix in (("a", "embedding", "embedding_"), ("a-attention", "head", "head_")):
        table = pd.read_csv(tmp_path / f"{name}.csv", dtype={"label": str, "predicted": str})
        pd.testing.assert_frame_equal(
            table, pd.read_parquet(tmp_path / f"{name}.parquet"), check_dtype=False, rtol=1e-5
        )
        arrays = np.load(tmp_path / f"{name}.npz")
        columns = [column for column in table if column.startswith(prefix)]
        np.testing.assert_allclose(arrays[many], table[columns], rtol=1e-5)
        assert len(arrays[many]) == len(table)
    nodes = pd.read_csv(tmp_path / "a.csv")
    assert set(nodes.split) == {"val"}
    assert set(pd.read_csv(tmp_path / "a-attention.csv").destination) == set(nodes.node)


def test_a_file_in_pieces_is_the_same_file(
    answer: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer("--out", str(tmp_path / "whole.csv"))
    monkeypatch.setattr("redditgnn.prediction.table.ROWS_AT_ONCE", 10)
    answer("--out", str(tmp_path / "pieces.csv"), "trainer.eval_chunk_edges=500")
    whole, pieces = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("whole", "pieces"))
    pd.testing.assert_frame_equal(whole, pieces, rtol=1e-4)


def test_another_graph_is_predicted_with_the_model_of_the_first(
    trained: redditgnn.Run, answer: Callable[..., str]
) -> None:
    printed = answer("dataset.scale=0.002")
    other = trained.on(["dataset.scale=0.002"])
    table = pd.read_csv(trained.folder / "predictions-other-graph.csv")
    assert "another graph than the run's, with a split of its own" in printed
    assert len(table) == other.graph.num_nodes == 466
    assert table.predicted.tolist() == other.predict().tolist()
    torch.testing.assert_close(other.model.state_dict(), trained.model.state_dict())


def test_classes_of_another_graph_that_cannot_be_predicted_are_named(
    answer: Callable[..., str],
) -> None:
    printed = answer("dataset.num_classes=6").splitlines()
    assert printed[1:] == [
        "sbm has classes that the model was not trained on and cannot predict: 4, 5"
    ]
    assert len(answer("dataset.num_classes=3").splitlines()) == 1


def test_an_older_run_without_facts_reads_them_from_its_own_graph(
    trained: redditgnn.Run,
) -> None:
    path = trained.folder.parent / "older"
    shutil.copytree(trained.folder, path)
    description = json.loads((path / "run.json").read_text())
    del description["graph"]
    (path / "run.json").write_text(json.dumps(description))
    older = redditgnn.load_run("older", path.parents[1], device="cpu")
    assert older.on(["dataset.scale=0.002"]).facts == trained.facts
    shutil.rmtree(path)


PEERS = {
    "gcn": [GCNConv(1433, 64), GCNConv(64, 7)],
    "sage": [SAGEConv(1433, 64), SAGEConv(64, 7)],
    "gat": [GATConv(1433, 8, 8), GATConv(64, 7, 1, concat=False)],
}


@pytest.mark.realdata
@pytest.mark.parametrize("model", PEERS)
def test_answers_on_cora_are_those_of_plain_pyg(
    model: str, link_raw: Callable[[str], Path]
) -> None:
    root = link_raw("Cora")
    common = ["dataset=cora", "sampler=full", "trainer.epochs=2", "device=cpu"]
    width = ["model.hidden_channels=64", "model.num_layers=2"]
    places = [f"data_dir={root}", f"results_dir={root / 'results'}"]
    run = redditgnn.train([*common, *width, *places, f"model={model}"])
    first, second = load_peers(model, run)
    graph = run.graph
    edge_index = torch.stack([graph.col.long(), torch.arange(2708).repeat_interleave(graph.degree)])
    activation = torch.nn.functional.elu if model == "gat" else torch.relu
    with torch.no_grad():
        hidden = activation(first(graph.x, edge_index))
        probabilities = second(hidden, edge_index).softmax(1)
    torch.testing.assert_close(run.embeddings(), hidden, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(run.probabilities(), probabilities, rtol=1e-5, atol=1e-5)
    if model == "gat":
        assert_attention_equal(run, first, graph.x, edge_index)


@torch.no_grad()
def assert_attention_equal(
    run: redditgnn.Run, conv: torch.nn.Module, x: torch.Tensor, edge_index: torch.Tensor
) -> None:
    _, (edges, alpha) = conv(x, edge_index, return_attention_weights=True)
    heads = [f"head_{number}" for number in range(1, 9)]
    theirs = pd.DataFrame(alpha.numpy(), columns=heads)
    theirs[["source", "destination"]] = edges.t().numpy()
    by = ["destination", "source"]
    ours = run.attention(1).sort_values(by)[[*by, *heads]]
    theirs = theirs.sort_values(by)[[*by, *heads]]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def load_peers(model: str, run: redditgnn.Run) -> list[torch.nn.Module]:
    weights = torch.load(run.folder / "best.pt", weights_only=True)
    for index, conv in enumerate(PEERS[model]):
        prefix = f"convs.{index}."
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        conv.load_state_dict(own)
        conv.eval()
    return PEERS[model]


MISTAKES = {
    "predict": "predict needs a run: redditgnn predict latest, or a value of the column run_id",
    "predict nothing results_dir={here}/results": "nothing has no run.json; did you mean 2",
    "predict latest results_dir={here}/nowhere": "nowhere must be a folder of runs, there is none",
    "predict latest results_dir={here}/data": "data/runs has no run at all; set results_dir",
    "predict a b": "predict takes one run, got a b",
    "predict latest --foo": "unknown option --foo; see 'redditgnn predict --help'",
    "predict latest --out": "argument --out: expected one argument; see 'redditgnn predict --help'",
    "predict latest --split=dev": "--split must be one of all, train, val, test, got dev",
    "predict latest --embeddings=x": "--embeddings must be the number of a layer, got x",
    "predict latest --config-dir=nowhere": "--config-dir must be a folder that exists, got nowhere",
    "predict latest --out a.xls RESULTS": "--out must end in .csv, .parquet, .npz, got a.xls",
    "predict latest --out /nowhere/a.csv RESULTS": "--out: the folder /nowhere does not exist",
    "predict latest --embeddings 7 RESULTS": "layer must be 1 to 2 for this model, got 7",
    "predict latest --attention RESULTS": "GraphSAGE computes no attention; choose a run of model=",
    "predict latest seed=3 RESULTS": "seed=3: seed has no effect on a trained model; choose from",
    "predict latest data_dri=x RESULTS": "data_dri has no effect on a trained model; did you mean",
    "predict latest dataset=nothing RESULTS": "dataset=nothing: no such option; ",
    "predict latest dataset.num_features=9 RESULTS": "sbm has 9 features, and the model was trai",
}


@pytest.mark.parametrize(("argv", "part"), MISTAKES.items(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line(argv: str, part: str, refused: Callable[..., str]) -> None:
    assert part in refused(*shlex.split(argv.replace("RESULTS", "results_dir={here}/results")))


def test_weights_of_another_model_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (path,) = tmp_path.rglob("best.pt")
    weights = torch.load(path, weights_only=True)
    torch.save({f"old.{name}": value.clone() for name, value in weights.items()}, path)
    message = refused("predict", "latest", "results_dir={here}/results")
    assert "best.pt does not fit model=sage, whose code has changed since" in message


def test_the_first_letters_of_an_id_are_enough_if_only_one_run_has_them(
    refused: Callable[..., str], works: Callable[..., None], recorded: Path, tmp_path: Path
) -> None:
    (own,) = (tmp_path / "results" / "runs").iterdir()
    works("predict", own.name[:-2], "results_dir={here}/results")
    shutil.copytree(own, own.with_name(f"{own.name}x"))
    message = refused("predict", own.name[:-2], "results_dir={here}/results")
    assert f"{own.name[:-2]} fits 2 runs: {own.name}, {own.name}x; give more of the id" in message
