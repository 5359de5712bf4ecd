"""What every model, trained under every sampler, answers on a graph of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import redditgnn
from redditgnn.command import predict
from redditgnn.errors import UserError
from redditgnn.evaluation.exact import ExactInference
from tests.prediction.conftest import CLASSES, IDS, nodes_table
from tests.samplers import SAMPLERS

MODELS = {  # name -> overrides, its layers, and whether an export can hold it
    "mlp": ("model=mlp", 2, True),
    "gcn": ("model=gcn", 2, True),
    "sage": ("model=sage", 2, True),
    "sage max": ("model=sage model.aggr=max", 2, True),
    "sage lstm": ("model=sage model.aggr=lstm", 2, False),
    "gat": ("model=gat model.heads=2", 2, True),
    "gatv2, jk": ("model=gatv2 model.heads=2 model.jk=cat model.norm=layer", 2, True),
    "gin": ("model=gin", 2, True),
    "gcn2": ("model=gcn2 model.num_layers=3", 3, True),
    "appnp": ("model=appnp", 10, True),
    "sgc": ("model=sgc", 1, True),
    "sign": ("model=sign", 1, False),
    "pna": ("model=pna", 2, False),
    "pyg": ("model=pyg", 2, True),
}
PROBABILITIES = [f"probability_{name}" for name in CLASSES]


def read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"node": str}, keep_default_na=False)


def check_predictions(run: redditgnn.Run, path: Path) -> None:
    """Check rows against the files, columns against each other, and the score against runs.csv."""
    assert predict.main([run.run_id, f"results_dir={run.folder.parents[1]}", f"--out={path}"]) == 0
    table = read_csv(path)
    assert table.node.tolist() == IDS
    assert table.label.tolist() == nodes_table().label.tolist()
    np.testing.assert_allclose(table[PROBABILITIES].sum(axis=1), 1, rtol=1e-6)
    best = table[PROBABILITIES].to_numpy().argmax(axis=1)
    assert table.predicted.tolist() == [CLASSES[number] for number in best]
    test = table[table.split == "test"]
    rows = redditgnn.load_results(run.folder.parents[1]).set_index("run_id")
    assert (test.label == test.predicted).mean() == pytest.approx(
        rows.test_accuracy[run.run_id], abs=1e-6
    )


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def trained(
    request: pytest.FixtureRequest, train_own: Callable[[str], redditgnn.Run]
) -> tuple[redditgnn.Run, int, bool]:
    overrides, *facts = request.param
    return train_own(f"{overrides} sampler=full"), *facts


def test_a_row_a_node_in_the_order_and_with_the_names_of_the_files(
    trained: tuple[redditgnn.Run, int, bool], tmp_path: Path
) -> None:
    check_predictions(trained[0], tmp_path / "answers.csv")


def test_every_layer_has_an_embedding_and_no_other(
    trained: tuple[redditgnn.Run, int, bool],
) -> None:
    run, num_layers, _ = trained
    for layer in range(1, num_layers + 1):
        assert len(run.embeddings(layer)) == len(IDS)
    with pytest.raises(UserError, match=f"the layer must be 1.* got {num_layers + 1}"):
        run.embeddings(num_layers + 1)


def test_attention_of_the_in_edges_of_a_node_adds_up_to_1_or_is_refused(
    trained: tuple[redditgnn.Run, int, bool],
) -> None:
    run, *_ = trained
    if "gat" not in str(run.settings.choices["model"]):
        with pytest.raises(UserError, match="computes no attention; choose a run of model=gat"):
            run.attention(1)
        return
    table = run.attention(1)
    sums = table.groupby("destination")[["head_1", "head_2"]].sum()
    assert set(sums.index) == set(IDS)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


def test_nodes_that_came_later_are_predicted_with_the_others(
    trained: tuple[redditgnn.Run, int, bool], files: Callable[..., list[str]]
) -> None:
    grown = trained[0].on(files("later-nodes.csv", "later-edges.csv"))
    table = grown.predictions()
    assert table.node.tolist() == [*IDS, "new, 1", "new2"]
    assert set(table.predicted) <= set(CLASSES)
    assert not grown.is_on_own_graph


@pytest.mark.parametrize("has_column", [True, False])
def test_a_graph_without_labels_is_predicted_and_cannot_be_trained_on(
    has_column: bool,
    train_own: Callable[[str], redditgnn.Run],
    files: Callable[..., list[str]],
    own_files: Path,
) -> None:
    run = train_own("model=sage sampler=full")
    nodes = pd.read_csv(own_files / "nodes.csv", dtype=str, keep_default_na=False)
    nodes = nodes.assign(label="") if has_column else nodes.drop(columns="label")
    nodes.to_csv(own_files / "no-labels.csv", index=False)
    with pytest.raises(UserError, match="or set it to null to predict|or to null to predict"):
        run.on(files("no-labels.csv")).predictions()
    unlabelled = [*files("no-labels.csv"), "dataset.label_column=null"]
    other = run.on(unlabelled)
    table, expected = other.predictions(), run.predictions()
    assert (table.label == "").all()
    assert (table.split == "").all()
    answers = [column for column in expected if column.startswith("p")]
    pd.testing.assert_frame_equal(table[answers], expected[answers])
    with pytest.raises(UserError, match="has no labels, so no answer is right or wrong"):
        other.diagnose()
    with pytest.raises(UserError, match="no labels, so nothing can be trained on it"):
        redditgnn.train(["dataset=files", *unlabelled, f"data_dir={own_files / 'data'}"])


def test_the_export_gives_the_logits_of_the_run_or_is_refused(
    trained: tuple[redditgnn.Run, int, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _, has_stock_layers = trained
    if not has_stock_layers:
        with pytest.raises(UserError, match="'redditgnn predict' writes its answers"):
            run.export(tmp_path / "export")
        assert not os.listdir(tmp_path)
        return
    program = (run.export(tmp_path / "export") / "example.py").read_text()
    assert "import redditgnn" not in program
    monkeypatch.chdir(tmp_path / "export")
    namespace = {"__name__": "example"}
    exec(compile(program, "example.py", "exec"), namespace)
    torch.testing.assert_close(namespace["logits"], run.logits(), rtol=1e-5, atol=1e-5)


def test_a_diagnosis_counts_every_test_node_once(
    trained: tuple[redditgnn.Run, int, bool],
) -> None:
    run, *_ = trained
    tables = run.diagnose()
    number = int(run.graph.test_mask.sum())
    names = ("degree", "homophily", "distance", "class", "calibration")
    assert [int(tables[name].nodes.sum()) for name in names] == [number] * 5


@pytest.mark.parametrize("sampler", [text for n, text in SAMPLERS.items() if n != "full"])
def test_runs_of_every_sampler_answer_from_all_edges(
    sampler: str, train_own: Callable[[str], redditgnn.Run], tmp_path: Path
) -> None:
    check_predictions(train_own(f"model=sage {sampler}"), tmp_path / "answers.csv")


def test_a_run_infers_once_however_much_is_asked(
    train_own: Callable[[str], redditgnn.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    infer = ExactInference.__call__

    def counted(self: ExactInference, model: torch.nn.Module) -> torch.Tensor:
        calls.append(type(model).__name__)
        return infer(self, model)

    runs = [train_own(f"model={model} sampler=full seed=1") for model in ("mlp", "gcn")]
    monkeypatch.setattr(ExactInference, "__call__", counted)
    runs[0].diagnose("val", beside=runs[1])
    for run in runs:
        run.predictions()
        run.probabilities()
    assert sorted(calls) == ["GCN", "MLP"]
