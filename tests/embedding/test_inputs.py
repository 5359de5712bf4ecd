"""A run reads what `dataset.inputs` names, and its row says so."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from redditgnn.command import embed
from redditgnn.command.verify_runs import load_splits
from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.embedding.inputs import normalized
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.parts import Parts
from redditgnn.run.saved import load_run, train
from redditgnn.sweep.data import Data
from redditgnn.verify.target import Target

TINY = ["dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4"]
FASTRP = ["embedding.dim=6", "embedding.weights=[1,1]"]
TARGET = Target(
    metric="test_accuracy",
    percent=50.0,
    spread=None,
    runs=None,
    source="A et al., table 2",
    trust="S",
    fingerprint={"protocol": "transductive"},
)
RUN = [*TINY, "model=linear", "sampler=full", "trainer.epochs=2", "device=cpu"]


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return [f"data_dir={tmp_path / 'data'}", f"results_dir={tmp_path / 'results'}"]


def graph_of(*overrides: str):
    return Parts(compose_settings([*TINY, *overrides])).graph


def test_inputs_are_the_embedding_alone_or_after_the_datasets_own_features(folders):
    plain = graph_of(*folders)
    alone = graph_of(*folders, "dataset.inputs=fastrp", *FASTRP)
    both = graph_of(*folders, "dataset.inputs=fastrp+raw", *FASTRP)
    assert torch.equal(graph_of(*folders, "dataset.inputs=raw").x, plain.x)
    assert torch.equal(both.x, torch.cat([plain.x, alone.x], 1))
    torch.testing.assert_close(alone.x.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(alone.x.std(0, correction=0), torch.ones(6))


def test_rows_are_scaled_to_length_one_and_rows_of_zeros_stay():
    table = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert torch.equal(normalized(table, "rows"), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert torch.equal(normalized(table, None), table)
    assert torch.equal(normalized(torch.ones(3, 2), "columns"), torch.zeros(3, 2))


def test_the_fingerprint_names_inputs_and_settings_but_not_the_seed(folders):
    def features(*overrides: str) -> str:
        return graph_of(*folders, *FASTRP, *overrides).fingerprint.features

    alone = features("dataset.inputs=fastrp")
    assert alone.startswith("6:")
    assert alone.endswith("-fastrp")
    assert features("dataset.inputs=fastrp", "seed=1") == alone
    assert features("dataset.inputs=fastrp+raw").startswith("14:")
    others = [["embedding.beta=-0.5"], ["embedding.normalize=rows"]]
    assert len({alone, *(features("dataset.inputs=fastrp", *one) for one in others)}) == 3
    assert Fingerprint.parse(f"features={alone}").features == alone


def test_a_row_has_the_inputs_and_the_settings_of_the_embedding(folders, tmp_path):
    train([*RUN, *folders, "dataset.inputs=fastrp+raw", *FASTRP])
    (row,) = pd.read_csv(tmp_path / "results" / "runs.csv").to_dict("records")
    assert '"dataset.inputs": "fastrp+raw"' in row["hyperparameters"]
    assert '"embedding.dim": 6' in row["hyperparameters"]
    assert "-fastrp+raw " in row["fingerprint"]


def test_verify_and_a_sweep_expect_the_fingerprint_that_a_run_has(folders, tmp_path):
    settings = compose_settings([*RUN, *folders, "dataset.inputs=fastrp+raw", *FASTRP])
    train(settings)
    (row,) = pd.read_csv(tmp_path / "results" / "runs.csv").to_dict("records")
    (split,) = load_splits(settings, TARGET, "mine")
    assert str(split.fingerprint) == row["fingerprint"]
    assert Data().fingerprint(settings) == row["fingerprint"]


def test_the_hash_changes_with_inputs_and_settings_and_only_with_them():
    hashes = [
        hash_of_config(compose_settings([*TINY, *overrides]))
        for overrides in (
            [],
            ["dataset.inputs=raw"],
            ["dataset.inputs=fastrp"],
            ["dataset.inputs=fastrp", "embedding.dim=6"],
            ["dataset.inputs=fastrp+raw"],
            ["dataset.inputs=netmf"],
        )
    ]
    assert len(set(hashes)) == len(hashes)
    assert hash_of_config(compose_settings([*TINY, "seed=3", "dataset.inputs=null"])) == hashes[0]


def test_a_saved_run_predicts_on_its_own_graph_and_refuses_another(folders):
    run = train([*RUN, *folders, "dataset.inputs=fastrp", *FASTRP])
    again = load_run(run.run_id, folders[1].partition("=")[2], device="cpu")
    assert torch.equal(again.logits(), run.logits())
    with pytest.raises(DataError, match=r"an embedding of another graph has other axes"):
        again.on(["dataset.seed=1"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["dataset.inputs=fastrp", "protocol=inductive"], "needs protocol=transductive: "),
        (["dataset.inputs=node2vec", "protocol=temporal"], "transductive or inductive: "),
        (["dataset.inputs=fastrpp"], r"embedding=fastrpp: no such option.*fastrp"),
        (["dataset.inputs=fastrp+netmf"], "at most one embedding"),
        (["dataset.inputs=raw+raw"], "different names"),
        (["dataset.inputs=[raw]"], "must be names joined by"),
        (["embedding=fastrp"], r"has no effect with dataset\.inputs=raw; set dataset\.inputs=fas"),
        (["dataset.inputs=fastrp", "embedding.dims=3"], r"did you mean embedding\.dim\?"),
        (["dataset.inputs=fastrp", "embedding.dim=a"], r"embedding\.dim must be int"),
    ],
)
def test_a_mistake_is_one_line_with_a_way_out(overrides, message, folders):
    with pytest.raises(ConfigError, match=message) as caught:
        train([*RUN, *folders, *overrides])
    assert "\n" not in str(caught.value)


def test_raw_inputs_take_the_place_of_those_of_an_experiment():
    settings = compose_settings(["experiment=cora_deepwalk", "dataset.inputs=raw"])
    settings.check()
    assert settings.embedding is None
    swapped = compose_settings(["experiment=cora_deepwalk", "dataset.inputs=node2vec"])
    swapped.check()
    assert swapped.choices["embedding"] == "node2vec"


def test_embed_prints_method_size_cost_and_file(folders, capsys, tmp_path):
    command = [*TINY, folders[0], "embedding=fastrp", *FASTRP]
    assert embed.main([*command, "--dry-run"]) == 0
    assert "not there yet" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*-seed0.npy"))
    assert embed.main(command) == 0
    table = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (table["method"], table["dim"]) == ("fastrp", "6")
    (path,) = tmp_path.rglob("*-seed0.npy")
    assert str(path) in table["file"]
    assert embed.main([*command, "--dry-run"]) == 0
    assert "which is there" in capsys.readouterr().out


def test_embed_needs_a_method(refused):
    assert "add embedding=NAME" in refused("embed", "dataset=sbm", "dataset.scale=0.001")
